"""Mask files as they are stored: values and palettes, not yet classes."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import open_file, pillow_reader, tiff_reader
from ipixmatch_jax.data.files.bands import Bands
from ipixmatch_jax.data.files.pillow_reader import MASK_FORMATS
from ipixmatch_jax.data.source import BadFileError

Colour = tuple[int, int, int]

# Pillow spreads grey of 2 or 4 bits over 0..255 by so much.
_SPREAD = {"L;2": 85, "L;4": 17}


class StoredMask(NamedTuple):
    """The pixels of one mask file.

    Attributes:
      kind: "grey", "bits" (grey of 1 bit: 0 is shown black and 1 white),
        "indexed" or "RGB".
      values: uint8 [H, W], or [H, W, 3] for "RGB".
      palette: the colours that the file gives to values 0, 1, ...; empty
        unless the kind is "indexed".
    """

    kind: str
    values: np.ndarray
    palette: tuple[Colour, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.values.shape[1], self.values.shape[0]


def read_stored(path: str, data: bytes | None = None) -> StoredMask:
    """Decodes a mask; an EXIF orientation in it is not looked at.

    Values of 16 bits are taken by value: 0 to 255 as they are, and multiples
    of 257, which 8 bits spread over 16 become, as the 8 bits.

    Args:
      path: of the file; where the bytes are given, a name for messages.
      data: what the file holds; None reads it.

    Raises:
      BadFileError: it cannot be decoded, its values do not fit into 8 bits,
        or it has transparent pixels.
    """
    data = open_file.read_bytes(path) if data is None else data
    try:
        if tiff_reader.is_tiff(data):
            stored = tiff_reader.read_tiff(data, path, exact=True)
            return from_tiff(stored, path)
        if pillow_reader.is_deep_png(data):
            deep = pillow_reader.read_deep_png(data, path, turn=False)
            return _from_bands(deep, path)
        image, raw_mode = pillow_reader.decode_image(data, path, MASK_FORMATS)
        return _from_image(image, raw_mode, path)
    except BadFileError:
        raise
    except open_file.MALFORMED as error:
        raise open_file.undecodable(path, error) from error


def from_tiff(stored: Bands | tiff_reader.Palette, path: str) -> StoredMask:
    """The mask that a TIFF, or a part of one, holds.

    Raises:
      BadFileError: as of `read_stored`.
    """
    if isinstance(stored, tiff_reader.Palette):
        return _indexed(stored.values, stored.colours)
    return _from_bands(stored, path)


def read_mask(path: str) -> Image.Image:
    """The ids in an indexed, grey or 1-bit file, mode "L".

    Raises:
      BadFileError: names the file and the reason.
    """
    mask = read_stored(path)
    if mask.kind == "RGB":
        raise BadFileError(
            f"The mask {path} holds RGB colours; class ids need an indexed "
            "or grey PNG."
        )
    return Image.fromarray(mask.values)


def _from_image(image: Image.Image, raw_mode: str, path: str) -> StoredMask:
    if image.mode == "P":
        flat = image.getpalette("RGB")
        if flat is None:
            raise BadFileError(f"The mask {path} lacks its palette.")
        colours = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return _indexed(np.asarray(image), tuple(colours))
    if image.mode == "1":
        return StoredMask("bits", np.asarray(image).astype(np.uint8))
    if image.mode == "L":
        spread = _SPREAD.get(raw_mode, 1)
        return StoredMask("grey", np.asarray(image) // np.uint8(spread))
    if image.mode not in ("LA", "RGB", "RGBA"):
        raise BadFileError(
            f"The mask {path} has mode {image.mode}; classes need ids, a "
            "palette or RGB colours."
        )
    values = np.asarray(image)
    colour = "grey" if image.mode == "LA" else "RGB"
    alpha = "alpha" if image.mode in ("LA", "RGBA") else ""
    return _from_bands(Bands(values, colour, alpha, 8), path)


def _from_bands(bands: Bands, path: str) -> StoredMask:
    named = {"grey": 1, "RGB": 3}.get(bands.colour)
    count = bands.values.shape[-1]
    if named is None or count > named + bool(bands.alpha):
        raise BadFileError(
            f"The mask {path} has {count} bands ({bands.colour}); classes "
            "need one band of ids, a palette or RGB colours."
        )
    if bands.alpha:
        _refuse_transparent(bands, named, path)
    values = bands.values[..., :named]
    if bands.deep:
        values = by_value(values, path)
    elif values.dtype.kind == "i":
        values = by_value(values.astype(np.int64), path)
    if named == 3:
        return StoredMask("RGB", np.ascontiguousarray(values))
    kind = "bits" if bands.bits == 1 else "grey"
    return StoredMask(kind, np.ascontiguousarray(values[..., 0]))


def _refuse_transparent(bands: Bands, named: int, path: str) -> None:
    opaque = 1.0 if bands.values.dtype.kind == "f" else 2**bands.bits - 1
    if bands.values[..., named].min() < opaque:
        raise BadFileError(
            f"The mask {path} has transparent pixels, which have no class: "
            "save it without transparency, in the colour of a class or of "
            "void."
        )


def by_value(values: np.ndarray, path: str) -> np.ndarray:
    """Whole numbers of any type as uint8, or a refusal; see `read_stored`."""
    whole = np.isfinite(values).all() and (values == values.round()).all()
    if whole and values.min() >= 0:
        if values.max() <= 255:
            return values.astype(np.uint8)
        if values.max() <= 65535 and not (values % 257).any():
            return (values // 257).astype(np.uint8)
    odd = values[(values < 0) | (values > 255) | (values != values.round())]
    value = odd.flat[0] if odd.size else values.flat[0]
    raise BadFileError(
        f"The mask {path} holds the value {value}; ids and colours of "
        "classes are whole numbers from 0 to 255."
    )


def _indexed(values: np.ndarray, palette: tuple[Colour, ...]) -> StoredMask:
    """An indexed mask; one whose palette is the greys is a grey mask."""
    greys = tuple((v, v, v) for v in range(len(palette)))
    if palette == greys:
        return StoredMask("grey", values)
    return StoredMask("indexed", values, palette)
