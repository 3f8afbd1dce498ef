"""Counts values and colours in masks, before their meaning is decided."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files.class_list import Colour
from ipixmatch_jax.data.files.stored_masks import StoredMask
from ipixmatch_jax.data.source import IGNORE, BadFileError
from ipixmatch_jax.utils.threads import READERS

MOST_COLOURS = 4096  # A mask with more of them is a photograph.
# What counts as nearly black and nearly white after smoothing or JPEG.
_NEARLY_BLACK, _NEARLY_WHITE = 8, 247
_FEW = 4  # More values than these, mostly at both ends, are smoothed edges.


class Content(NamedTuple):
    """What one mask holds.

    Attributes:
      path: of the file.
      kind: as of `StoredMask`, and "grey RGB" for an RGB mask whose colours
        are all greys: its values may be ids.
      pixels: how many pixels each (value, shown colour) has; the value is
        None for "RGB".
      repeated: the values whose colour the palette gives to a smaller value
        as well, as palettes do that are padded with black: such a colour
        tells nothing.
    """

    path: str
    kind: str
    pixels: dict[tuple[int | None, Colour], int]
    repeated: frozenset[int] = frozenset()

    @property
    def values(self) -> set[int]:
        """The values that occur; empty for "RGB"."""
        return {value for value, _ in self.pixels if value is not None}

    def pairs(self) -> list[tuple[int, Colour]]:
        """The (value, shown colour) pairs that occur; none for "RGB"."""
        return [(v, colour) for v, colour in self.pixels if v is not None]

    def count(self, value: int) -> int:
        """How many pixels hold a value."""
        return sum(n for (v, _), n in self.pixels.items() if v == value)

    @property
    def black_and_white(self) -> bool:
        """Whether it holds the values 0 and 255, both, and no other."""
        return self.kind != "RGB" and self.values == {0, IGNORE}

    @property
    def smoothed(self) -> bool:
        """Whether it is a black and white drawing with values in between."""
        if self.kind not in ("grey", "grey RGB") or len(self.values) <= _FEW:
            return False
        grey = [(v, n) for (v, _), n in self.pixels.items() if v is not None]
        dark = sum(n for value, n in grey if value <= _NEARLY_BLACK)
        light = sum(n for value, n in grey if value >= _NEARLY_WHITE)
        total = sum(self.pixels.values())
        return dark > 0 and light > 0 and dark + light >= total / 2


def mask_content(mask: StoredMask, path: str) -> Content:
    """Counts the values and colours of a mask.

    Raises:
      BadFileError: thousands of colours.
    """
    if mask.kind == "RGB":
        return _colours(mask, path)
    counts = np.bincount(mask.values.ravel(), minlength=256).tolist()
    shown = [colour_of(mask, value) for value in range(256)]
    found = [v for v, n in enumerate(counts) if n]
    repeated = frozenset(v for v in found if shown.index(shown[v]) < v)
    pixels: dict[tuple[int | None, Colour], int]
    pixels = {(v, shown[v]): counts[v] for v in found}
    return Content(path, mask.kind, pixels, repeated)


def colour_of(mask: StoredMask, value: int) -> Colour:
    """The colour in which a value of a mask of one band is shown."""
    if mask.kind == "bits":
        value = 255 if value else 0
    if value < len(mask.palette):
        return mask.palette[value]
    return (value, value, value)


def _colours(mask: StoredMask, path: str) -> Content:
    counts = cast(  # Of an RGB image they are three numbers.
        list[tuple[int, Colour]] | None,
        Image.fromarray(mask.values).getcolors(MOST_COLOURS),
    )
    if counts is None:
        raise _too_many_colours(path)
    if all(r == g == b for _, (r, g, b) in counts):
        return Content(path, "grey RGB", {(c[0], c): n for n, c in counts})
    return Content(path, "RGB", {(None, c): n for n, c in counts})


def _too_many_colours(path: str) -> BadFileError:
    return BadFileError(
        f"The mask {path} has more than {MOST_COLOURS} colours, as a "
        "photograph or a JPEG saved as PNG has; export it as PNG without "
        "smoothing where it was drawn."
    )


def join_contents(parts: Iterable[Content]) -> Content:
    """What a mask holds, of which each part was looked at alone.

    Raises:
      BadFileError: the parts have thousands of colours together.
    """
    found = list(parts)
    if any(part.kind == "RGB" for part in found):
        found = [_as_colours(part) for part in found]
    pixels: collections.Counter[tuple[int | None, Colour]]
    pixels = collections.Counter()
    for part in found:
        pixels.update(part.pixels)
    first = found[0]
    if len(pixels) > MOST_COLOURS:
        raise _too_many_colours(first.path)
    repeated = frozenset().union(*(part.repeated for part in found))
    return Content(first.path, first.kind, dict(pixels), repeated)


def all_contents(one: Callable[[int], Content], count: int) -> list[Content]:
    """`one` of 0 to count - 1, in threads and in this order.

    A mask that cannot be used is left out here, since what becomes of it is
    decided where it is loaded. Greys of an RGB mask count as colours where
    another RGB mask has real colours.

    Raises:
      BadFileError: no mask can be used; the first one's reason.
    """

    def attempt(i: int) -> Content | BadFileError:
        try:
            return one(i)
        except BadFileError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        looks = list(pool.map(attempt, range(count)))
    found = [look for look in looks if isinstance(look, Content)]
    errors = [look for look in looks if isinstance(look, BadFileError)]
    if errors and not found:
        raise errors[0]
    if any(content.kind == "RGB" for content in found):
        return [_as_colours(content) for content in found]
    return found


def _as_colours(content: Content) -> Content:
    if content.kind != "grey RGB":
        return content
    pixels: dict[tuple[int | None, Colour], int]
    pixels = {(None, colour): n for (_, colour), n in content.pixels.items()}
    return content._replace(kind="RGB", pixels=pixels)


def names(contents: Sequence[Content]) -> str:
    """Up to three files, and how many more there are."""
    some = ", ".join(content.path for content in contents[:3])
    more = f" and {len(contents) - 3} more" if len(contents) > 3 else ""
    return some + more
