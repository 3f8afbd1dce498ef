"""Masks of one's own data: PNGs of ids, of palette colours or of RGB colours.

How the ids are read is decided once for all masks of a data set:
  RGB masks hold the colours of the class list.
  Indexed masks hold ids, unless their palettes put the listed colours at
    other places: then they hold colours.
  Grey masks hold ids, unless every value found is the grey of a listed class
    (black and white masks): then they hold colours.
"""

import concurrent.futures
import functools
import json
import os
import pathlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.class_list import (
    UNLISTED,
    ClassList,
    Colour,
    numbered,
    voc_colour,
)
from ipixmatch_jax.data.source import IGNORE, BadFileError

MOST_COLOURS = 4096  # A mask with more of them is a photograph.
_GREYS = [(v, v, v) for v in range(256)]
_THREADS = min(16, 2 * (os.cpu_count() or 1))


class Seen(NamedTuple):
    """What one mask holds.

    Attributes:
      path: of the file.
      kind: "grey", "indexed" or "RGB".
      colours: how many pixels each (value, colour) has; the value is that of
        the file's byte, and None for RGB.
    """

    path: str
    kind: str
    colours: dict[tuple[int | None, Colour], int]


class Reading(NamedTuple):
    """How to turn the masks of a data set into class ids.

    Attributes:
      classes: the names, and what ids and colours stand for.
      by_colour: the kinds of masks that hold colours, not ids.
    """

    classes: ClassList
    by_colour: tuple[str, ...]


def opened(path: str, data: bytes | None = None) -> Image.Image:
    """A mask, decoded: mode "L", "P" or "RGB"; arguments as of `read_image`.

    Raises:
      BadFileError: it cannot be decoded or has transparent pixels.
    """
    mask = decode.read_stored(path, data)
    if mask.mode == "RGBA":
        if mask.getchannel("A").getextrema()[0] < 255:
            raise BadFileError(
                f"The mask {path} has transparent pixels, which have no "
                "class: save it without transparency, in the colour of a "
                "class or of void."
            )
        return mask.convert("RGB")
    if mask.mode == "P" and _palette(mask) == _GREYS:
        return Image.fromarray(np.asarray(mask))
    return mask


def look(one: Callable[[int], Seen], count: int) -> list[Seen]:
    """`one` of 0 to count - 1, in threads and in this order.

    A mask that cannot be used is left out here, since what becomes of it is
    decided where it is loaded.

    Raises:
      BadFileError: no mask can be used; the first one's reason.
    """

    def attempt(i: int) -> Seen | BadFileError:
        try:
            return one(i)
        except BadFileError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        looks = list(pool.map(attempt, range(count)))
    seen = [found for found in looks if isinstance(found, Seen)]
    if looks and not seen:
        raise looks[0]
    return seen


def see(mask: Image.Image, path: str) -> Seen:
    """What a mask from `opened` holds.

    Raises:
      BadFileError: thousands of colours.
    """
    counts = mask.getcolors(MOST_COLOURS)
    if counts is None:
        raise BadFileError(
            f"The mask {path} has more than {MOST_COLOURS} colours, as a "
            "photograph or a JPEG saved as PNG has; export it as PNG without "
            "smoothing where it was drawn."
        )
    if mask.mode == "RGB":
        return Seen(path, "RGB", {(None, c): n for n, c in counts})
    if mask.mode == "L":
        return Seen(path, "grey", {(v, (v, v, v)): n for n, v in counts})
    palette = _palette(mask)
    return Seen(path, "indexed", {(v, palette[v]): n for n, v in counts})


def _palette(mask: Image.Image) -> list[Colour]:
    """256 colours; a grey step where the file gives none."""
    flat = mask.getpalette("RGB")
    given = [tuple(flat[i : i + 3]) for i in range(0, len(flat), 3)]
    return given + _GREYS[len(given) :]


def choose(seen: Sequence[Seen], classes: ClassList) -> Reading:
    """How to read the masks, see the head of this file; checks them all.

    Raises:
      ValueError: names a mask with an id or a colour that is not listed.
    """
    ids, colours = classes.of_ids(), classes.of_colours()
    by_colour = ["RGB"]
    grey = _together(seen, "grey")
    if grey and all(colour in colours for _, colour in grey):
        by_colour.append("grey")
    indexed = [pair for pair in _together(seen, "indexed") if pair[0] < IGNORE]
    # An unlisted palette colour proves nothing where all others are in place.
    if any(colours.get(c, ids[v]) != ids[v] for v, c in indexed):
        by_colour.append("indexed")
    reading = Reading(classes, tuple(by_colour))
    wrong = [(s, _unlisted(s, reading)) for s in seen]
    wrong = [(s, pixels) for s, pixels in wrong if pixels]
    if wrong:
        raise ValueError(_refusal(*wrong[0], reading, len(wrong) - 1))
    return reading


def _together(seen: Sequence[Seen], kind: str) -> set:
    return {pair for s in seen if s.kind == kind for pair in s.colours}


def _unlisted(seen: Seen, reading: Reading) -> Counter:
    """Pixels per id or colour of a mask that the class list has not."""
    ids, colours = reading.classes.of_ids(), reading.classes.of_colours()
    pixels = Counter()
    for (value, colour), count in seen.colours.items():
        if seen.kind not in reading.by_colour:
            if ids[value] == UNLISTED:
                pixels[value] += count
        elif colour not in colours and (seen.kind, value) != ("indexed", 255):
            pixels[colour] += count
    return pixels


def _refusal(seen: Seen, pixels: Counter, reading: Reading, more: int) -> str:
    what, count = pixels.most_common(1)[0]
    others = f" and {len(pixels) - 1} more" if len(pixels) > 1 else ""
    files = f" (and {more} more masks)" if more else ""
    classes = reading.classes
    if seen.kind not in reading.by_colour:
        return (
            f"The mask {seen.path}{files} has {count} pixels of the id {what}"
            f"{others}; {classes.where} lists {len(classes.listed)} classes, "
            f"so the ids are 0 to {len(classes.listed) - 1}, and 255 is left "
            "out of training."
        )
    edges = (
        ", or export the masks without smoothed edges"
        if len(pixels) > 20
        else ""
    )
    why = (
        " (colours count here, since palettes put listed colours at other ids)"
        if seen.kind == "indexed"
        else ""
    )
    return (
        f"The mask {seen.path}{files} has {count} pixels of the colour "
        f"{list(what)}{others} that {classes.where} does not list: add it "
        f'with the name of its class, or as "void"{edges}{why}.'
    )


def to_ids(mask: Image.Image, path: str, reading: Reading) -> Image.Image:
    """Class ids of a mask from `opened`: mode "L", 255 = left out.

    Raises:
      BadFileError: an id or a colour is not listed.
    """
    if mask.mode == "RGB":
        ids = Image.fromarray(_of_rgb(mask, reading.classes))
    else:
        table = reading.classes.of_ids()
        kind = "grey" if mask.mode == "L" else "indexed"
        if kind in reading.by_colour:
            table = _of_palette(mask, reading.classes)
        values = Image.fromarray(np.asarray(mask))  # without the palette
        ids = values.point(table)
    if ids.histogram()[UNLISTED]:  # the file is not what it was
        seen = see(mask, path)
        raise BadFileError(_refusal(seen, _unlisted(seen, reading), reading, 0))
    return ids


def _of_palette(mask: Image.Image, classes: ClassList) -> bytes:
    """256 bytes: the class of each value by its colour."""
    grey = mask.mode == "L"
    palette = _GREYS if grey else _palette(mask)
    colours = classes.of_colours()
    table = bytearray(colours.get(c, UNLISTED) for c in palette)
    if not grey and table[IGNORE] == UNLISTED:
        table[IGNORE] = IGNORE
    return bytes(table)


@functools.lru_cache(maxsize=4)
def _sorted_colours(classes: ClassList) -> tuple[np.ndarray, np.ndarray]:
    pairs = sorted(
        (r << 16 | g << 8 | b, k)
        for (r, g, b), k in classes.of_colours().items()
    )
    codes, ids = zip(*pairs, strict=True)
    return np.asarray(codes, np.uint32), np.asarray(ids, np.uint8)


def _of_rgb(mask: Image.Image, classes: ClassList) -> np.ndarray:
    codes, ids = _sorted_colours(classes)
    pixels = np.asarray(mask).astype(np.uint32)
    pixels = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    at = np.minimum(np.searchsorted(codes, pixels), len(codes) - 1)
    return np.where(codes[at] == pixels, ids[at], np.uint8(UNLISTED))


def without_file(seen: Sequence[Seen], root: pathlib.Path) -> ClassList:
    """The classes of masks of ids that come without a class list.

    As many as the greatest id says, called `class 0` and so on, in the
    colours of the first palette, or else in VOC's.

    Raises:
      ValueError: the masks hold colours, fewer than two ids, or ids with wide
        gaps; the sentence holds a class list to start from.
    """
    how = (
        f"write {root}/classes.json with a name for each, in the order that "
        f"the classes shall have, such as {_draft(seen)}"
    )
    for mask in seen:
        if mask.kind == "RGB":
            raise ValueError(
                f"The mask {mask.path} holds RGB colours, and nothing says "
                f"which class each stands for: {how}."
            )
    ids = {v for mask in seen for v, _ in mask.colours} - {IGNORE}
    count = max(ids, default=0) + 1
    if len(ids) < 2 or count > 4 * len(ids):
        raise ValueError(
            f"The masks of {root} hold the values "
            f"{', '.join(map(str, sorted(ids)))} beside {IGNORE}, which is "
            f"left out of training; these are no ids of classes: {how}."
        )
    palette = dict(pair for mask in seen for pair in mask.colours)
    palette = [palette.get(k) for k in range(count)]
    if None in palette or len(set(palette)) < count or seen[0].kind == "grey":
        palette = [voc_colour(k) for k in range(count)]
    return numbered(count, palette, f"{root} (without classes.json)")


def _draft(seen: Sequence[Seen]) -> str:
    """A class list of the commonest colours, as JSON on one line."""
    pixels = Counter()
    for mask in seen:
        for (_, colour), count in mask.colours.items():
            pixels[colour] += count
    colours = [list(colour) for colour, _ in pixels.most_common(12)]
    return json.dumps({f"class {k}": c for k, c in enumerate(colours)})
