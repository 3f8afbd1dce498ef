"""The classes of one's own data: a JSON or CSV file of names and colours.

JSON: `{"name": [red, green, blue], ...}`. CSV: `name,red,green,blue` per line,
with or without a header. The order is that of the ids in the masks. A class
called void, ignore or unlabelled is left out of training: its pixels become
255, and the classes after it move up by one.
"""

import csv
import json
import pathlib
from typing import NamedTuple

from ipixmatch_jax.data.source import IGNORE

FILES = ("classes.json", "classes.csv")
LEFT_OUT = ("void", "ignore", "ignored", "unlabelled", "unlabeled")
MOST = 254  # 254 marks what is unlisted and 255 what is ignored.
UNLISTED = 254

Colour = tuple[int, int, int]


def voc_colour(class_id: int) -> Colour:
    """VOC's colour map: the bits of the id, spread over the channels."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (class_id >> bit & 1) << (7 - bit // 3)
    return tuple(channels)


class ClassList(NamedTuple):
    """Names and colours, and what the ids in mask files stand for.

    Attributes:
      names: of the classes that are trained, in the order of their ids.
      palette: one (red, green, blue) in 0..255 per trained class.
      listed: every (name, colour) of the file in its order, those that are
        left out of training included.
      where: the file, for messages.
    """

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    listed: tuple[tuple[str, Colour], ...]
    where: str

    def of_ids(self) -> bytes:
        """256 bytes: the class of each id in a file, 254 where unlisted."""
        table = bytearray([UNLISTED] * 256)
        table[: len(self.listed)] = self._classes()
        table[IGNORE] = IGNORE
        return bytes(table)

    def of_colours(self) -> dict[Colour, int]:
        """The class of each listed colour; 255 where it is left out."""
        colours = [colour for _, colour in self.listed]
        return dict(zip(colours, self._classes(), strict=True))

    def _classes(self) -> list[int]:
        classes = {name: k for k, name in enumerate(self.names)}
        return [classes.get(name, IGNORE) for name, _ in self.listed]


def make(listed: list[tuple[str, Colour]], where: str) -> ClassList:
    """A class list of (name, colour) in the order of the ids.

    Raises:
      ValueError: a name or a colour occurs twice, or the number of trained
        classes is not 2 to 254.
    """
    for which, what in ((0, "name"), (1, "colour")):
        seen = set()
        for entry in listed:
            if entry[which] in seen:
                raise ValueError(
                    f"{where} gives the {what} {entry[which]} twice; every "
                    "class needs its own."
                )
            seen.add(entry[which])
    kept = [(n, c) for n, c in listed if n.strip().lower() not in LEFT_OUT]
    if len(kept) < 2 or len(listed) > MOST:
        raise ValueError(
            f"{where} lists {len(kept)} classes to train on; it takes at "
            f"least 2, and {MOST} at most. Where there is one thing to find, "
            'the other class is "background".'
        )
    names, palette = zip(*kept, strict=True)
    return ClassList(names, palette, tuple(listed), where)


def numbered(count: int, palette: list[Colour], where: str) -> ClassList:
    """`class 0`, `class 1`, ... for masks of ids without a file of names."""
    names = [f"class {k}" for k in range(count)]
    return make(list(zip(names, palette, strict=True)), where)


def find(root: pathlib.Path) -> pathlib.Path | None:
    """classes.json or classes.csv of a folder, or None.

    Raises:
      ValueError: it holds both.
    """
    found = [root / name for name in FILES if (root / name).is_file()]
    if len(found) == 2:
        raise ValueError(
            f"{root} holds classes.json and classes.csv; keep one of them."
        )
    return found[0] if found else None


def read(path: pathlib.Path) -> ClassList:
    """Reads a class list by the ending of its name.

    Raises:
      FileNotFoundError: there is none.
      ValueError: the file, a name or a colour is malformed; see `make`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No class list at {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _csv(text) if path.suffix == ".csv" else _json(text)
    except ValueError as error:  # JSON's and Unicode's errors are such
        raise ValueError(
            f"{path} is not a class list ({error}); it reads like "
            '{"background": [0, 0, 0], "crack": [255, 0, 0]}, or as CSV like '
            "background,0,0,0."
        ) from error
    return make([_entry(*row, path) for row in rows], str(path))


def _json(text: str) -> list[tuple]:
    # Pairs, since a dict would drop a name that is given twice.
    rows = json.loads(text, object_pairs_hook=tuple)
    if not isinstance(rows, tuple) or not rows:
        raise ValueError("it is no object of names and colours")
    return list(rows)


def _csv(text: str) -> list[tuple]:
    rows = [row for row in csv.reader(text.splitlines()) if any(row)]
    if rows and not any(cell.strip().isdigit() for cell in rows[0][1:]):
        rows = rows[1:]  # the header
    if not rows:
        raise ValueError("it has no lines")
    return [
        (name, [int(c) if c.strip().isdigit() else c for c in cells])
        for name, *cells in rows
    ]


def _entry(name: str, colour, path: pathlib.Path) -> tuple[str, Colour]:
    good = isinstance(colour, list) and len(colour) == 3
    if not good or not all(type(c) is int and 0 <= c <= 255 for c in colour):
        raise ValueError(
            f"{path}: the colour of {name!r} is {colour!r}; it is three "
            "whole numbers from 0 to 255, red, green and blue."
        )
    return name.strip(), tuple(colour)
