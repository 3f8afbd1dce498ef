"""Headings above a grid of pictures, and legends below it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIZE = 13  # pixels, of the letters
_LINE = 20  # pixels, the height of a line of text
_GAP = 4  # pixels, as between the pictures of a grid
_INK = (22, 25, 29)


def add_headings(
    canvas: np.ndarray, headings: Sequence[str], lefts: Sequence[int]
) -> np.ndarray:
    """A picture with a line of headings above it.

    A heading that does not fit beside the next one goes on in further lines.

    Args:
      canvas: RGB uint8 [H, W, 3].
      headings: one per column.
      lefts: where each column begins, in pixels.

    Returns:
      RGB uint8 [H + lines, W, 3].
    """
    font = ImageFont.load_default(_SIZE)
    ends = [*lefts[1:], canvas.shape[1]]
    columns = [
        _wrap(text, font, end - left - _GAP)
        for text, left, end in zip(headings, lefts, ends, strict=True)
    ]
    height = max(map(len, columns)) * _LINE + _GAP
    head = Image.new("RGB", (canvas.shape[1], height), "white")
    draw = ImageDraw.Draw(head)
    for left, lines in zip(lefts, columns, strict=True):
        # The last line stands on its column.
        top = height - len(lines) * _LINE
        for row, line in enumerate(lines):
            draw.text((left, top + row * _LINE), line, _INK, font)
    return np.concatenate([np.asarray(head), canvas])


def add_legend(
    canvas: np.ndarray,
    entries: Sequence[tuple[str, tuple[int, int, int]]],
) -> np.ndarray:
    """A picture with the names of colours below it.

    Args:
      canvas: RGB uint8 [H, W, 3].
      entries: a name and its (red, green, blue) in 0..255 each.

    Returns:
      RGB uint8 [H + lines, W, 3].
    """
    legend = draw_legend(entries, canvas.shape[1])
    return np.concatenate([canvas, legend])


def draw_legend(
    entries: Sequence[tuple[str, tuple[int, int, int]]], width: int
) -> np.ndarray:
    """The names of colours in lines of some width, RGB uint8 [h, width, 3]."""
    font = ImageFont.load_default(_SIZE)
    square, gap = _SIZE, 3 * _GAP
    places, left, row = [], _GAP, 0
    for name, _ in entries:
        needed = square + _GAP + round(font.getlength(name))
        if left > _GAP and left + needed > width - _GAP:
            left, row = _GAP, row + 1
        places.append((left, row * _LINE + _GAP))
        left += needed + gap
    legend = Image.new("RGB", (width, (row + 1) * _LINE + _GAP), "white")
    draw = ImageDraw.Draw(legend)
    for (name, colour), (x, y) in zip(entries, places, strict=True):
        box = (x, y + 1, x + square, y + 1 + square)
        draw.rectangle(box, fill=colour, outline=_INK)
        draw.text((x + square + _GAP, y), name, _INK, font)
    return np.asarray(legend)


def _wrap(text: str, font, width: int) -> list[str]:
    """Breaks a text into lines of a width; never breaks a word."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
