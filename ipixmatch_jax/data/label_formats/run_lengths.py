"""Masks as lengths of runs, of pixels outside and inside in turn.

CVAT counts along the rows, COCO along the columns; COCO also packs the counts
into text.
"""

from collections.abc import Sequence

import numpy as np

_BASE = 48  # The character that stands for 0.
_MORE, _SIGN, _BITS = 0x20, 0x10, 5


def decode_runs(
    counts: Sequence[int], height: int, width: int, *, by_columns: bool = False
) -> np.ndarray:
    """The pixels of run lengths, bool [height, width].

    Args:
      counts: lengths of runs; the first is outside, and may be 0.
      height: of the mask, pixels.
      width: of the mask, pixels.
      by_columns: whether they run down the columns instead of along the rows.

    Raises:
      ValueError: they are not whole numbers from 0 that add up to height times
        width; in words that follow a name.
    """
    whole = all(type(n) is int and n >= 0 for n in counts)
    if not whole or sum(counts) != height * width:
        raise ValueError(
            "its run lengths are not whole numbers that add up to the "
            f"{width}x{height} = {width * height} pixels of the mask"
        )
    inside = np.arange(len(counts)) % 2 == 1
    flat = np.repeat(inside, np.asarray(counts, np.int64))
    return flat.reshape((height, width), order="F" if by_columns else "C")


def unpack_counts(text: str) -> list[int]:
    """COCO's packed counts as numbers.

    Each number takes one or more characters of 5 bits, the lowest first; from
    the fourth number on it is the difference to the last but one.

    Source: rleFrString in maskApi.c of pycocotools.

    Raises:
      ValueError: the text is not such; in words that follow a name.
    """
    counts: list[int] = []
    number, shift = 0, 0
    for letter in text:
        code = ord(letter) - _BASE
        if not 0 <= code < 64:
            raise ValueError(f"its packed run lengths hold {letter!r}")
        number |= (code & 0x1F) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number, shift = 0, 0
    if shift:
        raise ValueError("its packed run lengths end early")
    return counts
