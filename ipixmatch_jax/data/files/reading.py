"""How the masks of a data set are turned into class ids."""

from typing import NamedTuple

from ipixmatch_jax.data.files.class_list import UNLISTED, ClassList, Colour
from ipixmatch_jax.data.source import IGNORE


class Reading(NamedTuple):
    """How to turn the masks of a data set into class ids.

    Attributes:
      classes: the names, and what ids and colours stand for.
      by_colour: the kinds of masks that hold colours, not ids.
      said: how masks are read and why, in one line; "" if nothing was
        decided.
    """

    classes: ClassList
    by_colour: tuple[str, ...]
    said: str = ""

    def class_of(self, kind: str, value: int | None, colour: Colour) -> int:
        """The class of a pixel, 255 if left out, 254 if not listed."""
        if kind not in self.by_colour:
            # Colours without values are "RGB", which by_colour then holds.
            assert value is not None
            return self.classes.of_ids()[value]
        listed = self.classes.of_colours()
        if (kind, value) == ("indexed", IGNORE):
            return listed.get(colour, IGNORE)
        return listed.get(colour, UNLISTED)
