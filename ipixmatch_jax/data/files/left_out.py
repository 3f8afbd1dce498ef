"""Refuses masks of which too much, or all that matters, would be left out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipixmatch_jax.data.files.class_list import ClassList
from ipixmatch_jax.data.files.mask_contents import Content, names
from ipixmatch_jax.data.source import IGNORE

if TYPE_CHECKING:
    from ipixmatch_jax.data.files.mask_reading import Reading

# Ours: bounds beyond which 255 is more likely white than "left out".
MOST_PER_ID = 10  # pixels of 255 to one of an id above 0,
MOST_PER_ID_LISTED = 1000  # where the class list has a class like void;
MOST_SHARE = 0.5  # of all pixels, where it has none.


def check_left_out(contents: Sequence[Content], reading: "Reading") -> None:
    """Looks at what a reading leaves out.

    Raises:
      ValueError: masks of the values 0 and 255 lie beside masks of ids, most
        of what is drawn would be left out, or only one class would be left;
        names the masks.
    """
    _check_white(contents, reading)
    counts = {k: 0 for k in range(len(reading.classes.names))}
    for content in contents:
        for (value, colour), number in content.pixels.items():
            class_id = reading.class_of(content.kind, value, colour)
            if class_id in counts:
                counts[class_id] += number
    shown = [k for k, number in counts.items() if number]
    if contents and len(shown) < 2:
        raise ValueError(_one_class(contents, reading.classes, shown))


def _check_white(contents: Sequence[Content], reading: "Reading") -> None:
    """The value 255 of grey masks that are read as ids."""
    by_id = [c for c in contents if c.kind not in reading.by_colour]
    drawn = [c for c in by_id if _drawn(c)]
    whites = [c for c in by_id if c.black_and_white]
    mixed = [c for c in drawn if IGNORE in c.values and c.kind != "indexed"]
    listed = len(reading.classes.names) < len(reading.classes.listed)
    if (
        whites
        and drawn
        and (not mixed or (not listed and len(whites) > len(mixed)))
    ):
        raise ValueError(_two_tools(whites, drawn, reading.classes))
    grey = [c for c in by_id if c.kind != "indexed"]
    white = sum(c.count(IGNORE) for c in grey)
    ids = sum(_drawn(c) for c in by_id)
    pixels = sum(sum(c.pixels.values()) for c in grey)
    most = MOST_PER_ID_LISTED if listed else MOST_PER_ID
    if ids and white > most * ids:
        raise ValueError(_much(white, ids, grey, reading.classes))
    if not listed and white > MOST_SHARE * pixels:
        raise ValueError(_much(white, ids, grey, reading.classes))


def _drawn(content: Content) -> int:
    """Pixels of ids above 0."""
    return sum(n for (v, _), n in content.pixels.items() if 0 < v < IGNORE)


def _two_tools(
    whites: list[Content], drawn: list[Content], classes: ClassList
) -> str:
    return (
        f"The masks disagree: {len(whites)} ({names(whites)}) hold the values "
        f"0 and 255 alone, as black and white masks do, and {len(drawn)} "
        f"({names(drawn)}) hold ids such as {_example(drawn)}. As ids, 255 "
        "would be left out of training. Save all masks in one way; where 255 "
        f"does mean left out, give these pixels the id of a class called "
        f"void in {classes.where}."
    )


def _example(drawn: list[Content]) -> int:
    return min(v for v in drawn[0].values if 0 < v < IGNORE)


def _much(white: int, ids: int, grey: list[Content], classes: ClassList) -> str:
    with_white = [c for c in grey if IGNORE in c.values]
    return (
        f"{white:,d} pixels of the value 255 would be left out of training, "
        f"and only {ids:,d} pixels hold an id above 0: see {names(with_white)}."
        " If 255 is a class, give it the colour [255, 255, 255] in "
        f"{classes.where} and no other value beside 0 and 255 to these masks; "
        'if it is left out on purpose, list "void": [255, 255, 255] there.'
    )


def _one_class(
    contents: Sequence[Content], classes: ClassList, shown: list[int]
) -> str:
    if not shown:
        return (
            f"Every pixel of the masks {names(contents)} is left out of "
            "training, so there is nothing to learn from: label some of them."
        )
    name = classes.names[shown[0]]
    others = [n for k, n in enumerate(classes.names) if k not in shown]
    sentence = (
        f"The masks {names(contents)} show {name!r} alone, and no pixel of "
        f"{', '.join(map(repr, others[:3]))}"
        f"{', ...' if len(others) > 3 else ''}"
    )
    white = [c for c in contents if c.black_and_white or c.kind == "bits"]
    if white:
        return (
            f"{sentence}: they are black and white, and {classes.where} does "
            "not say which class is white. Give that class the colour "
            "[255, 255, 255] there."
        )
    return (
        f"{sentence}, so there is nothing to tell apart: check that the masks "
        f"are those of {classes.where}."
    )
