"""Which values of deep images become black and white: `config.data.range`.

  ""            measured where images hold more than 8 bits, else nothing
  "dtype"       the range of the file's type: 0 to 65535, 0 to 4095 of 12 bits
  "percentile"  measured: from the 0.1th to the 99.9th percentile
  "bands"       measured in the same way for each band alone
  "low,high"    given; "low,high;low,high;..." gives one pair per band

Images of 8 bits stay as they are. Unless it is given or measured per band, one
range serves all bands, so that their relation is kept. The run's config keeps a
measured range as numbers, so that predictions scale images as training did.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ipixmatch_jax.data.files.bands import Bands, Range, type_range
from ipixmatch_jax.data.source import BadFileError

TYPE, PERCENTILE, BANDS = "dtype", "percentile", "bands"
PERCENTILES = (0.1, 99.9)
LOOKED_AT = 500  # images of which the depth is looked up
MEASURED = 100  # deep images that are read
_PIXELS = 20_000  # of each that count
_USED = 0.5  # If images use a smaller part of the type's range, a note says so.


class DeepSource(Protocol):
    """A source whose images may hold more than 8 bits per channel."""

    def __len__(self) -> int: ...

    def is_deep(self, i: int) -> bool:
        """Whether an image holds more than 8 bits per channel."""

    def deep_bands(self, i: int) -> Bands:
        """The pixels of an image for which `is_deep` is true, as stored."""


class Resolved(NamedTuple):
    """What `resolve_range` found.

    Attributes:
      range: the values that become 0 and 255; None: those of the type.
      text: what `config.data.range` becomes, so that a run keeps it.
      notes: sentences about it, for the person who trains.
    """

    range: Range | None
    text: str
    notes: tuple[str, ...] = ()


def parse_range(text: str) -> Range | None:
    """The numbers of a field; None for a word.

    Raises:
      ValueError: it is neither one of the words nor rising pairs of numbers.
    """
    if text in ("", TYPE, PERCENTILE, BANDS):
        return None
    try:
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
    except ValueError:
        pairs = []
    rising = [
        len(pair) == 2 and np.isfinite(pair).all() and pair[0] < pair[1]
        for pair in pairs
    ]
    if not (rising and all(rising)):
        raise ValueError(
            f"config.data.range={text!r} is not understood: it is {TYPE}, "
            f"{PERCENTILE}, {BANDS}, or two numbers LOW,HIGH of which the "
            "second is larger, or such a pair per band with semicolons "
            'between them; "" measures images of more than 8 bits.'
        )
    if len(pairs) == 1:
        return pairs[0][0], pairs[0][1]
    return tuple(low for low, _ in pairs), tuple(high for _, high in pairs)


def format_range(value_range: Range) -> str:
    """A range as the field of a config holds it."""
    low, high = value_range
    if not (isinstance(low, tuple) and isinstance(high, tuple)):
        return f"{low:.6g},{high:.6g}"
    pairs = zip(low, high, strict=True)
    return ";".join(f"{low:.6g},{high:.6g}" for low, high in pairs)


def resolve_range(text: str, sources: Sequence[DeepSource]) -> Resolved:
    """Looks at training images and decides on their range.

    Args:
      text: `config.data.range`.
      sources: of the training images. Files that cannot be used are passed
        over.

    Raises:
      ValueError: the text is not understood, or a measured image has one
        value everywhere.
    """
    given = parse_range(text)
    places = [(s, i) for s in sources for i in range(len(s))]
    places = _evenly(places, LOOKED_AT)
    deep = [place for place in places if _is_deep(*place)]
    if not deep:
        notes = () if text in ("", TYPE) else (_no_effect(text),)
        return Resolved(given, text, notes)
    count = f"{len(deep)} of {len(places)} training images looked at hold"
    count += " more than 8 bits per channel"
    if given:
        note = (
            f"{count}; the values {format_range(given)} become black and white"
        )
        return Resolved(given, text, (f"{note} (data.range).",))
    bands = _read(_evenly(deep, MEASURED))
    if not bands:
        return Resolved(None, text)
    if text == TYPE:
        return Resolved(None, text, _of_type(count, bands))
    measured = measure_range(bands, each=text == BANDS)
    note = (
        f"{count}; the values {format_range(measured)}, their percentiles "
        f"{PERCENTILES[0]} and {PERCENTILES[1]}, become black and white: "
        f"data.range={format_range(measured)} is kept with the run."
    )
    return Resolved(measured, format_range(measured), (note,))


def measure_range(bands: Sequence[Bands], *, each: bool = False) -> Range:
    """The percentiles of the bands of some files, without missing data.

    Args:
      bands: of each file.
      each: measure every band alone; else all of them together.

    Raises:
      ValueError: there is one value only, or files differ in their bands.
    """
    if not each:
        return _measure(bands, slice(None), "")
    counts = {_named(one) for one in bands}
    if len(counts) > 1:
        few, many = min(counts), max(counts)
        raise ValueError(
            f"config.data.range={BANDS} measures each band, and the images "
            f"have {few} to {many} bands: give them the same bands, or measure "
            f"all together with --config.data.range={PERCENTILE}."
        )
    found = [
        _measure(bands, slice(k, k + 1), f" in band {k + 1}")
        for k in range(counts.pop())
    ]
    if len(found) == 1:
        return found[0]
    return tuple(low for low, _ in found), tuple(high for _, high in found)


def _measure(
    bands: Sequence[Bands], which: slice, where: str
) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    kept = []
    for one in bands:
        values = _without_alpha(one)[..., which].reshape(-1)
        there = np.isfinite(values)
        if one.nodata is not None:
            there &= values != one.nodata
        values = values[there].astype(np.float64)
        if len(values) > _PIXELS:
            values = rng.choice(values, _PIXELS, replace=False)
        kept.append(values)
    together = np.concatenate(kept)
    if not len(together) or together.min() == together.max():
        raise ValueError(
            f"The {len(bands)} images of more than 8 bits that were looked at "
            f"hold one value everywhere{where}, so no range can be measured: "
            "look at the files, or give --config.data.range=LOW,HIGH."
        )
    low, high = np.percentile(together, PERCENTILES)
    if low == high:  # Almost all pixels are the same.
        low, high = together.min(), together.max()
    return float(f"{low:.6g}"), float(f"{high:.6g}")


def _named(bands: Bands) -> int:
    """How many bands count: alpha says nothing about the colours."""
    return bands.values.shape[-1] - bool(bands.alpha)


def _without_alpha(bands: Bands) -> np.ndarray:
    if not bands.alpha:
        return bands.values
    return np.delete(bands.values, bands.alpha_at, -1)


def _of_type(count: str, bands: Sequence[Bands]) -> tuple[str, ...]:
    measured = _measure(bands, slice(None), "")
    of_type = type_range(bands[0])
    if of_type is None:
        return (f"{count}, as floats, which have no range of their own.",)
    low, high = (int(value) for value in of_type)
    note = f"{count}; {low} and {high}, the ends of their type, become black "
    note += "and white (data.range=dtype)."
    used = (measured[1] - measured[0]) / (high - low)
    if used < _USED:
        levels = max(1, round(256 * used))
        note += (
            f" Their values go from {format_range(measured)} only, so about "
            f"{levels} of 256 levels are used: data.range=percentile uses all."
        )
    return (note,)


def _no_effect(text: str) -> str:
    return (
        f"data.range={text} has no effect: none of the training images looked "
        "at holds more than 8 bits per channel."
    )


def _evenly(items: list, most: int) -> list:
    """All items, or `most` of them at even distances."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).astype(int)]


def _is_deep(source: DeepSource, i: int) -> bool:
    try:
        return source.is_deep(i)
    except BadFileError:
        return False


def _read(places: list[tuple[DeepSource, int]]) -> list[Bands]:
    found = []
    for source, i in places:
        try:
            found.append(source.deep_bands(i))
        except BadFileError:  # The check of the data names it.
            continue
    return found
