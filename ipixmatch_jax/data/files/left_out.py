"""Refuses masks of which too much, or all that matters, would be left out."""

from collections.abc import Sequence
from typing import NamedTuple

from ipixmatch_jax.data.files.class_list import ClassList
from ipixmatch_jax.data.files.mask_contents import Content, names
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.source import IGNORE

# Ours: bounds beyond which 255 is more likely white than "left out".
MOST_PER_ID = 10  # pixels of 255 to one of an id above 0,
MOST_PER_ID_LISTED = 1000  # where the class list has a class like void;
MOST_SHARE = 0.5  # of all pixels, where it has none;
# where black and white masks are more than others and the list has void.
MOST_PER_ID_MIXED = 100

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def check_left_out(contents: Sequence[Content], reading: Reading) -> None:
    """Looks at what a reading leaves out.

    Raises:
      ValueError: masks of the values 0 and 255 lie beside masks of ids, most
        of what is drawn would be left out, or only one class would be left;
        names the masks.
    """
    _check_white(contents, reading)
    counts = {k: 0 for k in range(len(reading.classes.names))}
    for content in contents:
        find = reading.lookup(content.kind)
        for (value, colour), number in content.pixels.items():
            class_id = find(value, colour)
            if class_id in counts:
                counts[class_id] += number
    shown = [k for k, number in counts.items() if number]
    if contents and len(shown) < 2:
        raise ValueError(_one_class(contents, reading.classes, shown))


class _Share(NamedTuple):
    """Of one mask.

    Attributes:
      content: the mask.
      white: pixels of the value 255 or shown in white that are left out.
      drawn: pixels of a class that are not 0 or, by colour, not black.
    """

    content: Content
    white: int
    drawn: int

    @property
    def white_on_black(self) -> bool:
        """Whether all that is drawn is white, and is left out."""
        two = len(self.content.pixels) == 2
        return self.white > 0 and self.drawn == 0 and two


def _share(content: Content, reading: Reading) -> _Share:
    find = reading.lookup(content.kind)
    by_colour = content.kind in reading.by_colour
    white = drawn = 0
    for (value, colour), number in content.pixels.items():
        if find(value, colour) != IGNORE:
            drawn += number * (colour != _BLACK if by_colour else value != 0)
        elif value == IGNORE or colour == _WHITE:
            white += number
    return _Share(content, white, drawn)


def _check_white(contents: Sequence[Content], reading: Reading) -> None:
    """The value 255 and white, where they are left out.

    White beside colours in one RGB mask is what the class list says of it. As
    the only colour of some RGB masks it is in doubt, as in other masks.
    """
    shares = [_share(content, reading) for content in contents]
    drawn = [s.content for s in shares if s.drawn]
    whites = [s.content for s in shares if s.white_on_black]
    mixed = [s.content for s in shares if s.white and s.drawn]
    listed = len(reading.classes.names) < len(reading.classes.listed)
    white = sum(s.white for s in shares)
    ids = sum(_share(content, reading).drawn for content in drawn)
    more = len(whites) > len(drawn if listed else mixed)
    rare = not listed or white > MOST_PER_ID_MIXED * ids
    if whites and drawn and (not mixed or (more and rare)):
        raise ValueError(_two_tools(whites, drawn, reading.classes))
    shares = [s for s in shares if s.content.kind != "RGB"]
    white = sum(s.white for s in shares)
    pixels = sum(sum(s.content.pixels.values()) for s in shares)
    most = MOST_PER_ID_LISTED if listed else MOST_PER_ID
    much = ids and white > most * ids
    if much or (not listed and white > MOST_SHARE * pixels):
        marked = [s.content for s in shares if s.white]
        raise ValueError(_much(white, ids, marked, reading.classes))


def _two_tools(
    whites: list[Content], drawn: list[Content], classes: ClassList
) -> str:
    return (
        f"The masks disagree: {len(whites)} ({names(whites)}) are black and "
        f"white, and {len(drawn)} ({names(drawn)}) hold {_example(drawn[0])}. "
        "So white, or 255, would be left out of training. Save all masks in "
        "one way. Where white does mean left out, draw it in another colour "
        f"or id, and list that as void in {classes.where}."
    )


def _example(content: Content) -> str:
    values = [value for value in content.values if 0 < value < IGNORE]
    return f"ids such as {min(values)}" if values else "colours"


def _much(
    white: int, ids: int, marked: list[Content], classes: ClassList
) -> str:
    return (
        f"{white:,d} pixels of the value 255 would be left out of training, "
        f"and only {ids:,d} pixels hold an id above 0: see {names(marked)}."
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
        void = [n for n, colour in classes.listed if colour == (255, 255, 255)]
        said = (
            f"says that white is {void[0]!r}"
            if void
            else ("does not say which class is white")
        )
        return (
            f"{sentence}: they are black and white, and {classes.where} "
            f"{said}. Give the class that is drawn in white the colour "
            "[255, 255, 255] there."
        )
    return (
        f"{sentence}, so there is nothing to tell apart: check that the masks "
        f"are those of {classes.where}."
    )
