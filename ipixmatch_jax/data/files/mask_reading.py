"""Decides what the values of masks mean, once for all masks of a data set.

  RGB masks hold the colours of the class list.
  Grey masks and masks of 1 bit hold colours if every value found is shown in
    the grey of a listed class (black and white masks), else ids.
  Indexed masks hold ids, unless a palette puts a listed colour at the place
    of another class: then they hold the colours of their palettes.

All masks speak for one of these, or training does not start: where masks
disagree, where a mask could be read in two ways that differ, and where most
of what is drawn would be left out, `choose_reading` names the files.
"""

from collections.abc import Sequence

from ipixmatch_jax.data.files import left_out, mask_refusals
from ipixmatch_jax.data.files.class_list import (
    UNLISTED,
    ClassList,
    Colour,
    voc_colour,
)
from ipixmatch_jax.data.files.mask_contents import Content
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.source import IGNORE

GREY = ("grey", "bits", "grey RGB")  # The kinds that are decided together.


def choose_reading(contents: Sequence[Content], classes: ClassList) -> Reading:
    """How to read the masks, see the head of this file; checks them all.

    Raises:
      ValueError: the masks do not fit together or to the class list; one
        sentence that names files and the way out.
    """
    grey = [c for c in contents if c.kind in GREY]
    indexed = [c for c in contents if c.kind == "indexed"]
    rgb = [c for c in contents if c.kind == "RGB"]
    # RGB masks of greys alone are read as the grey masks are.
    by_colour, said = ["RGB"] if rgb or not grey else [], []
    if rgb:
        said.append(f"as colours ({_masks(rgb)}), which the class list names")
    if grey:
        as_colours, why = _read_grey(grey, classes)
        by_colour += [*GREY, "RGB"] if as_colours else []
        said.append(why)
    if indexed:
        mask_refusals.check_nameless(contents, classes)
        as_colours, why = _read_indexed(indexed, classes)
        by_colour += ["indexed"] if as_colours else []
        said.append(why)
    line = f"Masks are read {'; '.join(said)}." if said else ""
    reading = Reading(classes, tuple(by_colour), line)
    mask_refusals.check_listed(contents, reading)
    left_out.check_left_out(contents, reading)
    return reading


def _masks(contents: Sequence[Content]) -> str:
    shown = {"bits": "1-bit"}
    kinds = {shown.get(c.kind, c.kind) for c in contents}
    plural = "s" if len(contents) > 1 else ""
    return f"{len(contents)} {' and '.join(sorted(kinds))} mask{plural}"


def _read_grey(
    contents: Sequence[Content], classes: ClassList
) -> tuple[bool, str]:
    """(whether they hold colours, what is said of it)."""
    ids, colours = classes.of_ids(), classes.of_colours()
    pairs = {pair for content in contents for pair in content.pairs()}
    values = ", ".join(map(str, sorted({v for v, _ in pairs})[:12]))
    if all(colour in colours for _, colour in pairs):
        mask_refusals.check_two_ways(contents, classes)
        return True, (
            f"as colours ({_masks(contents)}), because every value found "
            f"({values}) is the grey of a listed class"
        )
    # A value that cannot be an id, in the grey of a class that is trained.
    speaking = [
        content
        for content in contents
        if any(
            ids[value] in (IGNORE, UNLISTED)
            and colours.get(colour, IGNORE) != IGNORE
            for value, colour in content.pairs()
        )
    ]
    other = [
        content
        for content in contents
        if any(colour not in colours for _, colour in content.pixels)
    ]
    if speaking:
        raise ValueError(mask_refusals.grey_disagree(speaking, other, classes))
    why = (
        f"the values found ({values}) are ids of classes, and not all of them "
        "are greys of listed classes"
        if classes.coloured
        else f"no colours are listed (values found: {values})"
    )
    return False, f"as class ids ({_masks(contents)}), because {why}"


def _read_indexed(
    contents: Sequence[Content], classes: ClassList
) -> tuple[bool, str]:
    """(whether they hold colours, what is said of it)."""
    ids, colours = classes.of_ids(), classes.of_colours()

    def by_colour(content: Content, value: int, colour: Colour) -> int | None:
        """The class by colour; None where the palette tells nothing."""
        return None if value in content.repeated else colours.get(colour)

    moved, unlisted = [], []
    for content in contents:
        found = [(v, by_colour(content, v, c)) for v, c in content.pairs()]
        if any(k is not None and k != ids[v] for v, k in found):
            moved.append(content)
        if any(k is None and v != IGNORE for v, k in found):
            unlisted.append(content)
    if not moved:
        mask_refusals.check_palettes_agree(contents, classes, _neutral)
        why = (
            "their palettes do not contradict the class list"
            if classes.coloured
            else "no colours are listed"
        )
        return False, f"as class ids ({_masks(contents)}), because {why}"
    if unlisted:
        raise ValueError(
            mask_refusals.palettes_disagree(moved, unlisted, classes)
        )
    return True, (
        f"as the colours of their palettes ({_masks(contents)}), because all "
        f"of these are listed and {moved[0].path} has them at other indices"
    )


def _neutral(value: int, colour: Colour, classes: ClassList) -> bool:
    """Whether a palette entry is one that any program might have put there.

    Listed colours in their place, VOC's colour map and greys do not tell
    one labelling scheme from another.
    """
    if classes.of_colours().get(colour) == classes.of_ids()[value]:
        return True
    return colour in (voc_colour(value), (value, value, value))
