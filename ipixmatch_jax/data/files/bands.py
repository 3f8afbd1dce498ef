"""Decoded bands of any depth, and how they become 8 bits.

What a file holds is kept as `Bands` until its range is known: 8 bits stay as
they are, and deeper values are scaled linearly over the range of the data
set (data/value_range.py) or, without one, over the range of their type.
"""

from typing import NamedTuple

import numpy as np

from ipixmatch_jax.data.source import BadFileError

End = float | tuple[float, ...]  # One value, or one per band.
Range = tuple[End, End]  # The values that become 0 and 255.


class Bands(NamedTuple):
    """The pixels of one file, upright.

    Attributes:
      values: [H, W, B], of the file's own type.
      colour: "grey", "RGB" or "CMYK": what the first bands are.
      alpha: what a band after the colours is: "" (not said, or there is
        none), "alpha", or "multiplied" (the colours were multiplied by it).
      bits: of an integer value, such as 12 in an array of uint16.
      nodata: the value of pixels without data; None if there is none.
      alpha_at: the position of that band, where there is one.
    """

    values: np.ndarray
    colour: str
    alpha: str
    bits: int
    nodata: float | None = None
    alpha_at: int = -1

    @property
    def deep(self) -> bool:
        """Whether a value has more than 8 bits."""
        return self.values.dtype.kind == "f" or self.bits > 8


def type_range(bands: Bands) -> tuple[float, float] | None:
    """The least and greatest value of the file's type; None for floats."""
    if bands.values.dtype.kind == "f":
        return None
    if bands.values.dtype.kind == "i":
        return -(2.0 ** (bands.bits - 1)), 2.0 ** (bands.bits - 1) - 1
    return 0.0, 2.0**bands.bits - 1


def to_8_bits(bands: Bands, value_range: Range | None, path: str) -> np.ndarray:
    """The bands as uint8 [H, W, B], rounded to nearest.

    Values of 8 bits or fewer are spread over 0 to 255 by their type. Deeper
    ones are scaled over `value_range`, or over their type without it, and
    clipped. Pixels without data (`nodata`, NaN) become 0. Of a range per band,
    an alpha band has none and is scaled over its type.

    Raises:
      BadFileError: floats without a range, or a range of other bands.
    """
    values = bands.values
    if not bands.deep and values.dtype.kind == "u":
        return values if bands.bits == 8 else _spread(values, bands.bits)
    if not bands.deep:
        value_range = None  # Signed bytes have a range of their own.
    ends: Range | None = value_range or type_range(bands)
    if ends is None:
        raise BadFileError(
            f"{path} holds {values.dtype} values, which have no range of "
            "their own: say which values are black and white with "
            "--config.data.range=LOW,HIGH, or measure them with "
            "--config.data.range=percentile."
        )
    low, high = (_of_bands(end, i, bands, path) for i, end in enumerate(ends))
    scaled = np.empty(values.shape, np.uint8)
    for k in range(values.shape[-1]):  # All at once would take much memory.
        scaled[..., k] = _scale(values[..., k], low[k], high[k], bands.nodata)
    return scaled


def _scale(
    band: np.ndarray, low: float, high: float, nodata: float | None
) -> np.ndarray:
    """One band as uint8; `low` becomes 0, `high` 255."""
    scaled = (band.astype(np.float64) - low) * (255 / (high - low))
    missing = ~np.isfinite(scaled)
    if nodata is not None:
        missing |= band == nodata
    scaled = np.where(missing, 0, scaled)
    return (np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)


def _of_bands(end: End, which: int, bands: Bands, path: str) -> np.ndarray:
    """One end of a range for every band; `which` is 0 for the lower end."""
    count = bands.values.shape[-1]
    if not isinstance(end, tuple):
        return np.full(count, end, np.float64)
    of_type = type_range(bands)
    if len(end) == count - 1 and bands.alpha:
        at = bands.alpha_at % count
        own = float(which) if of_type is None else of_type[which]
        end = (*end[:at], own, *end[at:])
    if len(end) != count:
        raise BadFileError(
            f"{path} has {count} bands, and config.data.range holds the values "
            f"of {len(end)}: give as many, or one LOW,HIGH for all."
        )
    return np.asarray(end, np.float64)


def _spread(values: np.ndarray, bits: int) -> np.ndarray:
    """1 to 7 bits over 0..255, exact for 1, 2 and 4."""
    peak = 2**bits - 1
    return ((values.astype(np.uint16) * 255 + peak // 2) // peak).astype(
        np.uint8
    )


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, ...] turned as EXIF's orientation 1 to 8 says."""
    if orientation in (2, 3):
        values = values[:, ::-1]
    if orientation in (3, 4):
        values = values[::-1]
    if orientation in (5, 7):
        values = values.swapaxes(0, 1)
    if orientation == 7:
        values = values[::-1, ::-1]
    if orientation in (6, 8):
        values = np.rot90(values, -1 if orientation == 6 else 1)
    return np.ascontiguousarray(values)
