"""What devices exchange in a compiled program, read from its text."""

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

# `%name = shapes opcode(`. Asynchronous ones are a -start and a -done, of
# which the first is counted.
_COLLECTIVE = re.compile(
    rf'^\s*(?:ROOT )?%\S+ = ([^%"]*?) ({"|".join(KINDS)})(?:-start)?\((.*)$',
    re.MULTILINE,
)
_SHAPE = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_DEFINITION = re.compile(
    rf"^\s*(?:ROOT )?%(\S+) = {_SHAPE.pattern}", re.MULTILINE
)
_NAME = re.compile(r"%([\w.\-]+)")


class Collective(NamedTuple):
    """One array of one collective operation.

    Attributes:
      kind: one of KINDS.
      dtype: XLA's name, such as "f32", "bf16", "s32", "pred".
      shape: of the whole array as one device sees it: what comes out of an
        all-gather, what goes into all others.
      bytes: of an array of that dtype and shape. What a device sends depends
        on kind, algorithm and group: a ring of n sends (n - 1) / n of it in
        an all-gather or reduce-scatter, and twice that in an all-reduce.
    """

    kind: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


def collectives(compiled_text: str) -> list[Collective]:
    """The collectives of a program, in the order of its text.

    An operation on several arrays (XLA combines small ones) gives one entry
    for each. One inside a loop is listed once, however often it runs.

    Args:
      compiled_text: `jax.jit(f).lower(...).compile().as_text()`.

    Raises:
      ValueError: an operand's shape is nowhere in the text.
    """
    found = []
    defined = {
        name: array for name, *array in _DEFINITION.findall(compiled_text)
    }
    for match in _COLLECTIVE.finditer(compiled_text):
        result, kind, rest = match.groups()
        operands = _NAME.findall(rest.partition("), ")[0])
        if kind == "all-gather":
            # An asynchronous one has operands and results, in this order.
            arrays = _SHAPE.findall(result)[-len(operands) :]
        else:
            arrays = [_operand(defined, name) for name in operands]
        found += [_collective(kind, *array) for array in arrays]
    return found


def _operand(defined: dict[str, list[str]], name: str) -> list[str]:
    """dtype and dimensions of a named array."""
    if name not in defined:
        raise ValueError(
            f"%{name} has no shape in this text; give the whole of "
            "compiled.as_text()."
        )
    return defined[name]


def _collective(kind: str, dtype: str, dimensions: str) -> Collective:
    shape = tuple(int(size) for size in dimensions.split(",") if size)
    digits = re.search(r"\d+", dtype)  # the bits; pred has none and takes 8
    bits = int(digits[0]) if digits else 8
    return Collective(kind, dtype, shape, math.prod(shape) * bits // 8)
