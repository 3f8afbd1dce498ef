"""The contact sheet: images beside maps of uncertainty, with captions."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ipixmatch_jax.utils import captions, pictures

_TILE = 200  # Pixels, the side of the square that each picture fits into.
_COLUMNS = 2  # Pairs side by side.
_LINE = 16  # Pixels, height of a line of words.
_GROUND = (224, 224, 224)  # Not a colour of the maps.
_HEADING = (
    "Images beside the entropy of their pixels "
    "(black: the networks are sure, white: they are not)"
)


class Pair(NamedTuple):
    """An image with its map and its caption.

    Attributes:
      image: RGB; its longer side is that of a tile.
      heat: the same size.
      words: lines below; a line that is too long loses its beginning.
    """

    image: Image.Image
    heat: Image.Image
    words: tuple[str, ...]


def make_pair(image: np.ndarray, shares: np.ndarray, *words: str) -> Pair:
    """Resizes an image [H, W, C] and its map of entropy [H, W] in [0, 1]."""
    height, width = shares.shape
    scale = _TILE / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    rgb = np.asarray(pictures.to_rgb(image))
    return Pair(
        Image.fromarray(rgb).resize(size),
        Image.fromarray(pictures.colour_uncertainty(shares)).resize(size),
        words,
    )


def draw_sheet(pairs: list[Pair]) -> np.ndarray:
    """All pairs in order, row by row, below a heading, RGB uint8 [H, W, 3]."""
    lines = max(len(p.words) for p in pairs)
    tiles = [_tile(p, lines) for p in pairs]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % min(_COLUMNS, len(tiles)))
    grid = pictures.arrange_grid(
        [tiles[i : i + _COLUMNS] for i in range(0, len(tiles), _COLUMNS)]
    )
    return captions.add_headings(grid, [_HEADING], [_LINE // 4])


def _tile(one: Pair, lines: int) -> np.ndarray:
    gap = _LINE // 4
    width = 2 * _TILE + gap
    tile = Image.new("RGB", (width, _TILE + lines * _LINE + gap), _GROUND)
    # The picture stands on its caption, beside its map.
    top = _TILE - one.image.height
    tile.paste(one.image, (_TILE - one.image.width, top))
    tile.paste(one.heat, (_TILE + gap, top))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(_LINE - 4)
    for row, words in enumerate(one.words):
        at = 0, _TILE + gap + row * _LINE
        draw.text(at, _shortened(words, font, width), "black", font)
    return np.asarray(tile)


def _shortened(words, font, width) -> str:
    """The end of a line that fits, because names differ at their end."""
    if font.getlength(words) <= width:
        return words
    low, high = 1, len(words)  # The fewest characters to leave out.
    while low < high:
        middle = (low + high) // 2
        fits = font.getlength("..." + words[middle:]) <= width
        low, high = (low, middle) if fits else (middle + 1, high)
    return "..." + words[low:]
