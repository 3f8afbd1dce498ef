"""Label Studio's brush strokes: run lengths of the values of an RGBA picture.

The bits of the bytes, most significant first, hold

    32 bits      how many values follow, height * width * 4
    5 bits       the bits of a value, less one
    4 * 4 bits   the four sizes of a run's length in bits, each less one

and then runs until all values are there: one bit that says whether a single
value is repeated (1) or each one is given (0), two bits that choose the size of
the length, the length less one, and the value or the values. Only alpha is
looked at: a pixel belongs to the stroke where it is not 0.

Source: the package @thi.ng/rle-pack, which Label Studio uses, and decode_rle
and encode_rle in label_studio_sdk.converter.brush.
"""

import itertools
from collections.abc import Sequence

import numpy as np

_HEAD = 32 + 5 + 4 * 4
_SIZES = (3, 4, 8, 16)  # Bits; those that Label Studio writes.
_CHANNELS = 4


def decode_brush(rle: Sequence[int], height: int, width: int) -> np.ndarray:
    """The pixels of a brush stroke.

    Args:
      rle: the field `rle` of a result: bytes as numbers from 0 to 255.
      height: the field `original_height`, pixels.
      width: the field `original_width`, pixels.

    Returns:
      bool [height, width].

    Raises:
      ValueError: it does not hold runs, ends early, or is of another size.
    """
    try:
        data = bytes(list(rle))  # bytes(5) would be five zeros
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("its rle is not a list of bytes") from error
    if len(data) * 8 < _HEAD:
        raise ValueError(f"its rle holds {len(data)} bytes alone")
    count, expected = _number(data, 0, 32), height * width * _CHANNELS
    if count != expected:
        raise ValueError(
            f"its rle holds {count} values, and {width}x{height} pixels of "
            f"{_CHANNELS} channels have {expected}"
        )
    values = _values(data, count)
    return values.reshape(height, width, _CHANNELS)[..., 3] != 0


def encode_brush(mask: np.ndarray) -> list[int]:
    """The field `rle` of a mask, see the head of this file.

    All four channels of a pixel are 255 inside and 0 outside, as the
    function mask2rle of Label Studio's SDK has them.

    Args:
      mask: bool [height, width].
    """
    flat = np.asarray(mask, bool).ravel()
    head = f"{flat.size * _CHANNELS:032b}{7:05b}"
    parts = [head, *(f"{size - 1:04b}" for size in _SIZES)]
    starts = np.flatnonzero(np.diff(flat)) + 1
    edges = [0, *starts.tolist(), flat.size] if flat.size else []
    for start, end in itertools.pairwise(edges):
        value = "1" * 8 if flat[start] else "0" * 8
        parts += _runs((end - start) * _CHANNELS, value)
    text = "".join(parts)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _runs(length: int, value: str) -> list[str]:
    """The bits of one value repeated, in runs of 65,536 at most."""
    runs, longest = [], 2 ** _SIZES[-1]
    while length:
        here = min(length, longest)
        which = next(k for k, s in enumerate(_SIZES) if here <= 2**s)
        runs.append(f"1{which:02b}{here - 1:0{_SIZES[which]}b}{value}")
        length -= here
    return runs


def _values(data: bytes, count: int) -> np.ndarray:
    """All values, uint8 or, where they have more bits, uint32; [count]."""
    word = _number(data, 32, 5) + 1
    sizes = [_number(data, 37 + 4 * k, 4) + 1 for k in range(4)]
    values = np.zeros(count, np.uint8 if word <= 8 else np.uint32)
    at, filled = _HEAD, 0
    while filled < count:
        repeated = _number(data, at, 1)
        size = sizes[_number(data, at + 1, 2)]
        length = _number(data, at + 3, size) + 1
        at += 3 + size
        if filled + length > count:
            raise ValueError("its rle holds too many values")
        run = values[filled : filled + length]
        run[:] = (
            _number(data, at, word)
            if repeated
            else _words(data, at, length, word)
        )
        at += word if repeated else word * length
        filled += length
    return values


def _number(data: bytes, at: int, size: int) -> int:
    """The number in `size` bits from bit `at` on."""
    end = at + size
    if end > 8 * len(data):
        raise ValueError("its rle ends early")
    number = int.from_bytes(data[at // 8 : (end + 7) // 8], "big")
    return number >> (-end % 8) & ((1 << size) - 1)


def _words(data: bytes, at: int, count: int, word: int) -> np.ndarray:
    """`count` numbers of `word` bits each from bit `at` on, int64 [count]."""
    end = at + count * word
    if end > 8 * len(data):
        raise ValueError("its rle ends early")
    first = at // 8
    bits = np.unpackbits(np.frombuffer(data[first : (end + 7) // 8], np.uint8))[
        at - 8 * first : end - 8 * first
    ]
    powers = 1 << np.arange(word - 1, -1, -1, dtype=np.int64)
    return bits.reshape(count, word) @ powers
