"""What a reader of a label tool's export gives."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.data.files.class_list import Colour
from ipixmatch_jax.data.prepare.label_tools.photographs import Photograph

# (height, width) -> bool [height, width], the pixels of one shape. Raises
# ValueError where the shape cannot be drawn, in words that follow its name.
Region = Callable[[int, int], np.ndarray]


class Layer(NamedTuple):
    """What one shape, or one colour of a mask, covers.

    Attributes:
      label: the name of its class.
      pixels: bool [height, width].
      where: names it in messages.
    """

    label: str
    pixels: np.ndarray
    where: str


# (height, width) -> layers from the bottom up.
Draw = Callable[[int, int], Iterable[Layer]]


class Rules(NamedTuple):
    """What a person chooses where the export leaves it open.

    Attributes:
      empty: what an image becomes that the export lists without a shape:
        "unlabelled", or "background" for a mask without a shape.
      uncovered: what pixels are that no shape covers: "background" or
        "void".
      lines: "refuse", or "skip" to leave out shapes without an area.
      classes: the labels in the order of their ids; (): the export's own
        order.
    """

    empty: str = "unlabelled"
    uncovered: str = "background"
    lines: str = "refuse"
    classes: tuple[str, ...] = ()


class Shape(NamedTuple):
    """One drawn region.

    Attributes:
      label: the name of its class.
      region: draws it.
      where: names it in messages, such as "a.json: the shape 3".
    """

    label: str
    region: Region
    where: str


class Picture(NamedTuple):
    """One image of an export.

    Attributes:
      name: its path in the data set, with slashes.
      part: the split or subset that the tool gives, such as "valid"; "" for
        none, so that the folders of its name say it.
      photograph: the file.
      listed_in: the file of the export that lists it, for messages.
      size: the (height, width) that the export gives; None if it gives none.
      draw: draws its mask; None: it has no labels.
    """

    name: str
    part: str
    photograph: Photograph
    listed_in: str
    size: tuple[int, int] | None
    draw: Draw | None


class Export(NamedTuple):
    """Everything that an export holds.

    Attributes:
      pictures: in the export's order.
      labels: every label and its colour, or None, in the order of the ids.
      fills_background: whether the tool fills masks with the label of the
        background where no shape is, as tools do that export masks.
      notes: sentences for the user.
    """

    pictures: Sequence[Picture]
    labels: Sequence[tuple[str, Colour | None]]
    fills_background: bool = False
    notes: tuple[str, ...] = ()


def draw_shapes(shapes: Sequence[Shape], rules: Rules) -> Draw | None:
    """The `draw` of a listed image: its shapes from the bottom up."""
    if not shapes and rules.empty == "unlabelled":
        return None

    def draw(height: int, width: int) -> Iterator[Layer]:
        for shape in shapes:
            try:
                pixels = shape.region(height, width)
            except ValueError as error:
                words = str(error).removesuffix(".")
                raise ValueError(f"{shape.where}: {words}.") from error
            yield Layer(shape.label, pixels, shape.where)

    return draw


class NotAnExportError(ValueError):
    """The files are not an export of the tool; the message says what is."""


class NoAreaError(ValueError):
    """A shape has no area, and `Rules.lines` does not say to skip it."""

    def __init__(self, where: str, kind: str):
        super().__init__(
            f"{where} ({kind}) has no area: draw a polygon in its "
            "place, or leave such shapes out with --lines skip."
        )
