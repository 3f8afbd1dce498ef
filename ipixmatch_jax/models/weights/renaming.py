"""Names of a transformer's tensors from one convention to another."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Names(NamedTuple):
    """What one convention calls the modules that Meta names as the keys.

    Attributes:
      block: how a block's names begin, with {} for its number.
      outside: modules and tensors outside the blocks.
      inside: modules and tensors inside a block.
    """

    block: str
    outside: Mapping[str, str]
    inside: Mapping[str, str]


META_BLOCK = "blocks.{}."


def to_meta(tensors: Mapping, names: Names) -> dict:
    """Tensors under Meta's names; an unknown name stays as it is."""
    outside = {theirs: ours for ours, theirs in names.outside.items()}
    inside = {theirs: ours for ours, theirs in names.inside.items()}
    return _renamed(tensors, names.block, META_BLOCK, outside, inside)


def from_meta(tensors: Mapping, names: Names) -> dict:
    """Tensors of Meta's names under another convention's."""
    return _renamed(
        tensors, META_BLOCK, names.block, names.outside, names.inside
    )


def fuse_parts(
    tensors: Mapping[str, np.ndarray], block: str, target: str, parts: tuple
) -> dict[str, np.ndarray]:
    """Tensors whose parts in each block are joined along the first axis.

    Args:
      tensors: arrays by name.
      block: how a block's names begin, with {} for its number.
      target: the whole's name inside a block.
      parts: the parts' names inside a block, in order.

    Returns:
      a new dictionary. A block that lacks a part, or whose parts do not fit
      each other, stays as it is; the comparison with the network reports it.
    """
    joined = dict(tensors)
    for number in block_numbers(tensors, block):
        begin = block.format(number)
        names = [begin + part for part in parts]
        if not all(name in joined for name in names):
            continue
        if len({np.shape(joined[name])[1:] for name in names}) > 1:
            continue
        pieces = [joined.pop(name) for name in names]
        joined[begin + target] = np.concatenate(pieces)
    return joined


def split_whole(
    tensors: Mapping[str, np.ndarray], block: str, whole: str, parts: tuple
) -> dict[str, np.ndarray]:
    """The reverse of `fuse_parts`: equal parts along the first axis."""
    result = dict(tensors)
    for number in block_numbers(tensors, block):
        begin = block.format(number)
        if begin + whole in result:
            pieces = np.split(result.pop(begin + whole), len(parts))
            names = (begin + part for part in parts)
            result.update(zip(names, pieces, strict=True))
    return result


def block_numbers(names: Mapping, block: str) -> list[int]:
    """The numbers of the blocks that occur, in order."""
    pattern = _pattern(block)
    found = (pattern.match(name) for name in names)
    return sorted({int(match[1]) for match in found if match})


def _renamed(tensors, old_block, new_block, outside, inside):
    pattern = _pattern(old_block)
    renamed = {}
    for name, value in tensors.items():
        match = pattern.match(name)
        if match:
            rest = _module(name[match.end() :], inside)
            new = rest and new_block.format(match[1]) + rest
        else:
            new = _module(name, outside)
        renamed[new or name] = value
    return renamed


def _module(name, table):
    """The new name of a tensor, by its own name or its module's; or None."""
    if name in table:
        return table[name]
    module, _, leaf = name.rpartition(".")
    return f"{table[module]}.{leaf}" if module in table else None


def _pattern(block):
    begin, end = (re.escape(part) for part in block.split("{}"))
    return re.compile(rf"{begin}(\d+){end}")
