"""The contact sheet: images beside their maps, with words below."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ipixmatch_jax.utils import pictures

_TILE = 200  # Pixels, the side of the square that each picture fits into.
_COLUMNS = 2  # Pairs side by side.
_LINE = 16  # Pixels, height of a line of words.
_GROUND = (224, 224, 224)  # Neither end of a map's colours.


class Pair(NamedTuple):
    """An image with its map and its words.

    Attributes:
      image: RGB, its longer side that of a tile.
      heat: the same size.
      words: lines below; too long a one loses its beginning.
    """

    image: Image.Image
    heat: Image.Image
    words: tuple[str, ...]


def pair(image: np.ndarray, shares: np.ndarray, *words: str) -> Pair:
    """Resizes an image [H, W, C] and its map of shares [H, W] in [0, 1]."""
    height, width = shares.shape
    scale = _TILE / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    heat = pictures.heat(shares)
    both = np.asarray(pictures.shown(image)), heat
    both = [Image.fromarray(x).resize(size) for x in both]
    return Pair(*both, words)


def sheet(pairs: list[Pair]) -> np.ndarray:
    """All pairs in order, row by row, uint8 [H, W, 3] on white."""
    lines = max(len(p.words) for p in pairs)
    tiles = [_tile(p, lines) for p in pairs]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % min(_COLUMNS, len(tiles)))
    return pictures.grid(
        [tiles[i : i + _COLUMNS] for i in range(0, len(tiles), _COLUMNS)]
    )


def _tile(one: Pair, lines: int) -> np.ndarray:
    gap = _LINE // 4
    width = 2 * _TILE + gap
    tile = Image.new("RGB", (width, _TILE + lines * _LINE + gap), _GROUND)
    # The picture stands on its words, beside its map.
    top = _TILE - one.image.height
    tile.paste(one.image, (_TILE - one.image.width, top))
    tile.paste(one.heat, (_TILE + gap, top))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(_LINE - 4)
    for row, words in enumerate(one.words):
        at = 0, _TILE + gap + row * _LINE
        draw.text(at, _shortened(words, font, width), "black", font)
    return np.asarray(tile)


def _shortened(words, font, width) -> str:
    """The end of the words that fits: names differ there."""
    if font.getlength(words) <= width:
        return words
    low, high = 1, len(words)  # The fewest characters to leave out.
    while low < high:
        middle = (low + high) // 2
        fits = font.getlength("..." + words[middle:]) <= width
        low, high = (low, middle) if fits else (middle + 1, high)
    return "..." + words[low:]
