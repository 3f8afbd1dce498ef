"""Lists the collective operations in the text of a compiled program."""

import math
import re
from typing import NamedTuple

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
    "collective-broadcast",
)

# Matches `%name = shapes opcode(`. An asynchronous operation has a -start and
# a -done line; only the -start is counted.
_COLLECTIVE = re.compile(
    rf'^\s*(?:ROOT )?%\S+ = ([^%"]*?) ({"|".join(KINDS)})(?:-start)?\((.*)$',
    re.MULTILINE,
)
_SHAPE = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_DEFINITION = re.compile(
    rf"^\s*(?:ROOT )?%(\S+) = {_SHAPE.pattern}", re.MULTILINE
)
_NAME = re.compile(r"%([\w.\-]+)")
_CHANNEL = re.compile(r"\bchannel_id=(\d+)")


class Collective(NamedTuple):
    """One array of one collective operation.

    Attributes:
      kind: one of KINDS.
      dtype: XLA's name, such as "f32", "bf16", "s32", "pred".
      shape: the array on one device: the result of an all-gather, the operand
        of every other kind.
      bytes: size of an array of that dtype and shape. How much a device sends
        depends on kind, algorithm and group: in a ring of n devices it sends
        (n - 1) / n of these bytes in an all-gather or reduce-scatter, and twice
        that in an all-reduce.
    """

    kind: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


def collectives(compiled_text: str) -> list[Collective]:
    """Lists the arrays of a program's collectives in the order of its text.

    See `operations`.
    """
    return [one for arrays in operations(compiled_text) for one in arrays]


def operations(compiled_text: str) -> list[list[Collective]]:
    """Lists the collective operations of a program in the order of its text.

    An operation on several arrays (XLA combines small ones) has one entry per
    array. An operation inside a loop is listed once, however often it runs. So
    is an all-gather that a TPU's compiler writes down in every computation that
    it overlaps with; these share a channel.

    Args:
      compiled_text: `jax.jit(f).lower(...).compile().as_text()`.

    Raises:
      ValueError: the text does not give the shape of an operand.
    """
    found, gathers = [], set()
    defined = {
        name: array for name, *array in _DEFINITION.findall(compiled_text)
    }
    for match in _COLLECTIVE.finditer(compiled_text):
        result, kind, rest = match.groups()
        channel = _CHANNEL.search(rest)
        if kind == "all-gather" and channel:
            if channel[1] in gathers:
                continue
            gathers.add(channel[1])
        operands = _NAME.findall(rest.partition("), ")[0])
        if kind == "all-gather":
            # An asynchronous one lists its operands, then its results.
            arrays = _SHAPE.findall(result)[-len(operands) :]
        else:
            arrays = [_operand(defined, name) for name in operands]
        found.append([_collective(kind, *array) for array in arrays])
    return found


def _operand(defined: dict[str, list[str]], name: str) -> list[str]:
    """dtype and dimensions of the array with this name."""
    if name not in defined:
        raise ValueError(
            f"%{name} has no shape in this text; pass the complete text of "
            "compiled.as_text()."
        )
    return defined[name]


def _collective(kind: str, dtype: str, dimensions: str) -> Collective:
    shape = tuple(int(size) for size in dimensions.split(",") if size)
    digits = re.search(
        r"\d+", dtype
    )  # bits per element; pred has no number and takes 8
    bits = int(digits[0]) if digits else 8
    return Collective(kind, dtype, shape, math.prod(shape) * bits // 8)
