"""What mask files hold; large ones are looked through in windows."""

from collections.abc import Iterator

import numpy as np

from ipixmatch_jax.data.files import stored_masks
from ipixmatch_jax.data.files.bands import Bands
from ipixmatch_jax.data.files.mask_contents import (
    Content,
    join_contents,
    mask_content,
)
from ipixmatch_jax.data.files.stored_masks import StoredMask
from ipixmatch_jax.data.files.windowed_image import is_windowed, read_blocks


def read_content(path: str) -> Content:
    """What a mask file holds.

    Raises:
      BadFileError: it cannot be decoded, or holds no mask.
    """
    if not is_windowed(path):
        return mask_content(stored_masks.read_stored(path), path)
    return join_contents(mask_content(part, path) for part in _parts(path))


def _parts(path: str) -> Iterator[StoredMask]:
    """The parts of a file that is read in windows.

    Values of 16 bits mean the same in all parts: if one is 8 bits spread over
    16, all are.
    """
    spread = odd = None
    for part in read_blocks(path):
        if isinstance(part, Bands) and part.deep:
            values = part.values
            spread = values if (values > 255).any() else spread
            odd = values if (values % 257).any() else odd
            if spread is not None and odd is not None:
                both = [spread[spread > 255][:1], odd[odd % 257 != 0][:1]]
                stored_masks.by_value(np.concatenate(both), path)
        yield stored_masks.from_tiff(part, path)
