"""How much of a TPU's main memory a compiled program reads and writes.

The compiler's own count, `bytes accessed`, takes arrays on the chip for those
in main memory, and a copy made in parts for several whole ones. Here an
operation counts what it reads and writes outside of the chip, with the padding
of the layouts, and a transfer between the two counts once. Ours; no TPU has
confirmed it.
"""

import math
import re
from typing import NamedTuple

_SIZES = {
    "pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2,
    "f32": 4, "s32": 4, "u32": 4, "s64": 8, "u64": 8,
}  # fmt: skip
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](?:\{([\d,]*)([^}]*)\})?")
_OPERATION = re.compile(
    r"^\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<type>\(.*?\)\)?|\S+) "
    r"(?P<kind>[\w\-]+)\((?P<rest>.*)$"
)
_TRANSFERS = ("async-start", "copy-start", "slice-start")
# They name or combine what other operations made, or wait for it.
_FREE = {
    "async-done", "all-reduce-done", "bitcast", "constant", "copy-done",
    "get-tuple-element", "parameter", "partition-id", "slice-done", "tuple",
}  # fmt: skip


class _Array(NamedTuple):
    size: int  # bytes, padded
    on_chip: bool


def main_memory_bytes(text: str) -> int:
    """The bytes that the entry of a program moves.

    Operations inside a loop are not counted, and a loop counts what it is
    given and returns.

    Args:
      text: of a program compiled for a TPU, as `as_text` gives it.

    Raises:
      ValueError: it has no entry.
    """
    _, entry, body = text.rpartition("\nENTRY ")
    if not entry:
        raise ValueError("The text has no line that begins with ENTRY.")
    types: dict[str, list[_Array]] = {}
    total = 0
    for line in body.splitlines():
        found = _OPERATION.match(line)
        if found is None:
            continue
        made = types[found["name"]] = _arrays(found["type"])
        if found["kind"] in _FREE or "ConcatBitcast" in line:
            continue
        if found["kind"] in _TRANSFERS:
            # The whole array, the part that moves, and a flag.
            total += min((x.size for x in made if x.size > 8), default=0)
            continue
        given = re.findall(r"%([\w.\-]+)", found["rest"].split("), ")[0])
        read = [x for name in given for x in types.get(name, [])]
        total += sum(x.size for x in [*made, *read] if not x.on_chip)
    return total


def _arrays(type_: str) -> list[_Array]:
    """The arrays of an operation's type."""
    found = []
    for dtype, shape, order, layout in _ARRAY.findall(type_):
        if dtype in _SIZES:
            sides = [int(x) for x in shape.split(",") if x]
            # From the axis that varies fastest.
            lie = [sides[int(x)] for x in order.split(",") if x] or sides
            count = math.prod(_pad(lie, layout))
            on_chip = "S(1)" in layout or "S(2)" in layout
            found.append(_Array(_SIZES[dtype] * count, on_chip))
    return found


def _pad(lie: list[int], layout: str) -> list[int]:
    """Rounds the fastest axes up to the first tile, as in T(8,128)."""
    tile = re.search(r"T\(([\d,]+)\)", layout)
    if tile is None:
        return lie
    units = [int(x) for x in reversed(tile[1].split(","))]
    padded = [
        -(-side // unit) * unit for side, unit in zip(lie, units, strict=False)
    ]
    return padded + lie[len(padded) :]
