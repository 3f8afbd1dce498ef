"""The classes of a prepared folder: their order, names and colours.

The background is class 0, then come the labels in the export's order, and void
last. Labels called `background` or `_background_` are the background; those
called `__ignore__`, or as one of class_list.LEFT_OUT, are void. Upper and lower
case of these does not count.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ipixmatch_jax.data.files.class_list import (
    LEFT_OUT,
    MOST,
    Colour,
    voc_colour,
)
from ipixmatch_jax.data.prepare.label_tools.export import Export, Rules
from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.quoting import quote

BACKGROUND, VOID = "background", "void"
_BACKGROUNDS = ("background", "_background_")
_VOIDS = (*LEFT_OUT, "__ignore__")
_VOID_COLOURS = ((255, 255, 255), (224, 224, 192))  # The second is VOC's.


class ClassIds(NamedTuple):
    """The classes of a folder.

    Attributes:
      listed: (name, colour) in the order of the ids, void last if there is
        one.
      ids: the id of each label of the export, under the export's own name.
      uncovered: the id of pixels that no shape covers.
      notes: sentences for the user.
    """

    listed: tuple[tuple[str, Colour], ...]
    ids: dict[str, int]
    uncovered: int
    notes: tuple[str, ...]


def make_class_ids(export: Export, rules: Rules, where: str) -> ClassIds:
    """Gives every label of an export its id.

    Raises:
      ValueError: there are fewer than two classes or too many, one has no
        name, or `rules.classes` lacks a label.
    """
    names = {label: _class_of(label) for label, _ in export.labels}
    if export.fills_background and rules.uncovered == "void":
        names = {n: VOID if c == BACKGROUND else c for n, c in names.items()}
    order = list(dict.fromkeys(names.values()))
    if "" in order:
        raise ValueError(
            f"{where} has a label without a name: name it in the label tool."
        )
    if rules.classes:
        order = _chosen(rules.classes, order, where)
    kept = [name for name in order if name not in (BACKGROUND, VOID)]
    if BACKGROUND in order or rules.uncovered == "background":
        kept = [BACKGROUND, *kept]
    if not 2 <= len(kept) < MOST:
        way_out = "label more, or leave out --uncovered void"
        if len(kept) >= MOST:
            way_out = "give several of them one name in the label tool"
        more = ", ..." if len(kept) > 5 else ""
        raise ValueError(
            f"{where} has {count_of(len(kept), 'label')} to train on "
            f"({', '.join(kept[:5])}{more}), and 2 to {MOST - 1} are needed, "
            f"the background among them: {way_out}."
        )
    if VOID in order or rules.uncovered == "void":
        kept = [*kept, VOID]
    given: dict[str, Colour] = {}
    for label, colour in export.labels:
        if colour is not None:
            given.setdefault(names[label], colour)
    colours, notes = _colours(kept, given)
    ids = {label: kept.index(name) for label, name in names.items()}
    notes += _alike(kept)
    listed = tuple(zip(kept, colours, strict=True))
    return ClassIds(listed, ids, kept.index(rules.uncovered), tuple(notes))


def _class_of(label: str) -> str:
    plain = label.strip().lower()
    if plain in _BACKGROUNDS:
        return BACKGROUND
    # JSON can hold names that cannot be printed.
    return VOID if plain in _VOIDS else printable(label.strip())


def _chosen(
    classes: Sequence[str], found: Sequence[str], where: str
) -> list[str]:
    """The order that --classes gives.

    Raises:
      ValueError: it names a class twice, or lacks one that the export has.
    """
    order = [_class_of(name) for name in classes]
    twice = [name for name in order if order.count(name) > 1]
    if twice:
        raise ValueError(f"--classes names {quote(twice[0])} twice.")
    lacking = [n for n in found if n not in (*order, BACKGROUND, VOID)]
    if lacking:
        raise ValueError(
            f"{where} has the label {quote(lacking[0])}, which --classes does "
            "not name: add it there, or rename it in the label tool."
        )
    return [*order, *(n for n in found if n not in order)]


def _colours(
    kept: Sequence[str], given: dict[str, Colour]
) -> tuple[list[Colour], list[str]]:
    """A colour of its own for each class: the tool's, or else VOC's."""
    colours: dict[str, Colour] = {}
    notes = []
    for name in kept:
        colour = given.get(name)
        if colour in colours.values():
            notes.append(
                f"{name} has the colour of another class in the label tool, "
                "and gets one of its own."
            )
        elif colour is not None:
            colours[name] = colour
    free = [
        colour
        for colour in map(voc_colour, range(256))
        if colour not in colours.values()
    ]
    for k, name in enumerate(kept):
        if name in colours:
            continue
        wished = _VOID_COLOURS if name == VOID else (voc_colour(k),)
        taken = colours.values()
        colours[name] = next(c for c in (*wished, *free) if c not in taken)
    return [colours[name] for name in kept], notes


def _alike(kept: Sequence[str]) -> list[str]:
    """A sentence on classes that differ in upper and lower case alone."""
    seen: dict[str, str] = {}
    notes = []
    for name in kept:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            notes.append(
                f"{other} and {name} become two classes: if they are one, "
                "rename one of them in the label tool."
            )
    return notes
