"""How the masks of a data set are turned into class ids."""

from collections.abc import Callable
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

    def lookup(self, kind: str) -> Callable[[int | None, Colour], int]:
        """A function from (value, shown colour) to the class of a pixel.

        It gives 255 for what is left out and 254 for what is not listed.
        """
        if kind not in self.by_colour:
            ids = self.classes.of_ids()

            def by_id(value: int | None, colour: Colour) -> int:
                # Colours without values are "RGB", which is in by_colour.
                assert value is not None
                return ids[value]

            return by_id
        listed = self.classes.of_colours()

        def by_colour(value: int | None, colour: Colour) -> int:
            left_out = (kind, value) == ("indexed", IGNORE)
            return listed.get(colour, IGNORE if left_out else UNLISTED)

        return by_colour
