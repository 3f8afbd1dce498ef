"""Mean differences with their intervals, as an SVG picture."""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

_ROW = 26  # pixels of a bar's row
_LEFT, _WIDTH = 300, 420  # of the names, and of the scale
_TOP, _BOTTOM = 10, 50
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_GREY, _BLUE = "#888", "#2166ac"


class Bar(NamedTuple):
    """A mean with the ends of its interval, in points."""

    name: str
    mean: float
    low: float
    high: float


def svg(bars: Sequence[Bar], axis: str) -> str:
    """A row for each bar over a common scale, 0 marked.

    Args:
      bars: from top to bottom.
      axis: what the scale shows.

    Returns:
      the text of an SVG file, on white, so that it reads on dark pages too.
    """
    low = min(0.0, *(bar.low for bar in bars))
    high = max(0.0, *(bar.high for bar in bars))
    step = next((s for s in _STEPS if (high - low) / s <= 8), _STEPS[-1])
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    high = max(high, low + step)

    def at(value):
        return _LEFT + _WIDTH * (value - low) / (high - low)

    bottom = _TOP + _ROW * len(bars)
    parts = []
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        is_zero = abs(value) < step / 2
        parts.append(
            _line(
                at(value), _TOP, at(value), bottom, _GREY, 2 if is_zero else 0.5
            )
        )
        shown = f"{0 if is_zero else value:+.3g}"
        parts.append(_text(at(value), bottom + 17, shown, "middle"))
    for i, bar in enumerate(bars):
        y = _TOP + _ROW * (i + 0.5)
        parts.append(_text(_LEFT - 14, y + 4, bar.name, "end"))
        parts.append(_line(at(bar.low), y, at(bar.high), y, _BLUE, 3))
        parts.append(
            f'<circle cx="{at(bar.mean):.1f}" cy="{y:.1f}" r="5" '
            f'fill="{_BLUE}"/>'
        )
    parts.append(_text(_LEFT + _WIDTH / 2, bottom + 38, axis, "middle"))
    width, height = _LEFT + _WIDTH + 30, bottom + _BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _line(x1, y1, x2, y2, colour, thickness):
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{thickness}"/>'
    )


def _text(x, y, words, anchor):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{html.escape(words)}</text>"
    )
