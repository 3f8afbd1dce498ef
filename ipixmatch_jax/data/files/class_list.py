"""The classes of one's own data: a JSON or CSV file of names and colours.

JSON: `{"name": [red, green, blue], ...}`. CSV: `name,red,green,blue` per line,
with or without a header. The order is that of the ids in the masks. A class
called void, ignore or unlabelled is left out of training: its pixels become
255, and the classes after it move up by one.

Names alone are accepted too (files/class_rows.py); such classes are shown in
VOC's colours, and masks can only hold their ids.
"""

import pathlib
from typing import NamedTuple

from ipixmatch_jax.data.files import class_rows
from ipixmatch_jax.data.source import IGNORE

FILES = ("classes.json", "classes.csv")
# Other names under which tools write class lists; none of them is read.
NEARLY = (
    *("class.json", "labels.json", "label_map.json", "labelmap.json"),
    *("categories.json", "id2label.json", "class_names.json"),
    *("_classes.csv", "class.csv", "labels.csv", "class_dict.csv"),
    *("classes.txt", "labels.txt", "class_names.txt", "labelmap.txt"),
)
LEFT_OUT = ("void", "ignore", "ignored", "unlabelled", "unlabeled")
MOST = 254  # 254 marks what is unlisted and 255 what is ignored.
UNLISTED = 254

Colour = tuple[int, int, int]


def voc_colour(class_id: int) -> Colour:
    """VOC's colour map: the bits of the id, spread over the channels."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (class_id >> bit & 1) << (7 - bit // 3)
    red, green, blue = channels
    return red, green, blue


class ClassList(NamedTuple):
    """Names and colours, and what the ids in mask files stand for.

    Attributes:
      names: of the classes that are trained, in the order of their ids.
      palette: one (red, green, blue) in 0..255 per trained class.
      listed: every (name, colour) of the file in its order, those that are
        left out of training included.
      where: the file, for messages.
      coloured: whether the file gives the colours.
    """

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    listed: tuple[tuple[str, Colour], ...]
    where: str
    coloured: bool = True

    def of_ids(self) -> bytes:
        """256 bytes: the class of each id in a file, 254 where unlisted."""
        table = bytearray([UNLISTED] * 256)
        table[: len(self.listed)] = self._classes()
        table[IGNORE] = IGNORE
        return bytes(table)

    def of_colours(self) -> dict[Colour, int]:
        """The class of each listed colour; 255 where it is left out."""
        if not self.coloured:
            return {}
        colours = [colour for _, colour in self.listed]
        return dict(zip(colours, self._classes(), strict=True))

    def _classes(self) -> list[int]:
        classes = {name: k for k, name in enumerate(self.names)}
        return [classes.get(name, IGNORE) for name, _ in self.listed]


def make_class_list(listed: list[tuple[str, Colour]], where: str) -> ClassList:
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


def numbered_classes(
    count: int, palette: list[Colour], where: str
) -> ClassList:
    """`class 0`, `class 1`, ... for masks of ids without a class list."""
    names = [f"class {k}" for k in range(count)]
    return without_colours(list(zip(names, palette, strict=True)), where)


def without_colours(listed: list[tuple[str, Colour]], where: str) -> ClassList:
    """`make_class_list` of colours that are for pictures only."""
    return make_class_list(listed, where)._replace(coloured=False)


def find_class_list(root: pathlib.Path) -> pathlib.Path | None:
    """classes.json or classes.csv of a folder, or None.

    Raises:
      ValueError: it holds both, or a class list under another name.
    """
    names = {p.name.lower(): p for p in sorted(root.iterdir()) if p.is_file()}
    found = [names[name] for name in FILES if name in names]
    if len(found) == 2:
        raise ValueError(
            f"{root} holds classes.json and classes.csv; keep one of them."
        )
    if not found:
        _refuse_nearly(names)
    return found[0] if found else None


def _refuse_nearly(names: dict[str, pathlib.Path]) -> None:
    """Names a class list that would be passed over for its name."""
    for name in NEARLY:
        if name not in names:
            continue
        try:
            class_rows.read_rows(names[name])
        except ValueError:
            continue  # Something else under that name.
        raise ValueError(
            f"{names[name]} looks like a class list, and is not read under "
            'that name: write it as classes.json, such as {"background": '
            '[0, 0, 0], "crack": [255, 0, 0]}, in the order of the ids.'
        )


def read_class_list(path: pathlib.Path) -> ClassList:
    """Reads a class list by the ending of its name.

    Raises:
      FileNotFoundError: there is none.
      ValueError: the file, a name or a colour is malformed; or the list is
        refused by `make_class_list`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No class list at {path}.")
    rows = class_rows.read_rows(path)
    if all(colour is None for _, colour in rows):
        listed = [(n, voc_colour(k)) for k, (n, _) in enumerate(rows)]
        return without_colours(listed, str(path))
    return make_class_list([_entry(*row, path) for row in rows], str(path))


def _entry(name: str, colour, path: pathlib.Path) -> tuple[str, Colour]:
    good = isinstance(colour, list) and len(colour) == 3
    if not good or not all(type(c) is int and 0 <= c <= 255 for c in colour):
        raise ValueError(
            f"{path}: the colour of {name!r} is {colour!r}; it is three "
            "whole numbers from 0 to 255, red, green and blue."
        )
    return name.strip(), tuple(colour)
