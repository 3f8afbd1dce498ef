"""Images of more bands than Pillow has modes for, and images made of arrays."""

import numpy as np
from PIL import Image

from ipixmatch_jax.data.source import MODES

MOST = 16  # Bands of an image.
_TOGETHER = 4  # Bands that Pillow resizes at once.


class BandImage:
    """An image of 5 to 16 bands of 8 bits.

    It stands in a Sample where Pillow's images stand otherwise, and has those
    of their methods that the package calls. Each band is resized as Pillow
    resizes it alone.

    Attributes:
      size: (width, height) in pixels.
    """

    def __init__(self, values: np.ndarray):
        """Takes the pixels, uint8 [H, W, C], without a copy."""
        self._values = values
        self.size = (values.shape[1], values.shape[0])

    def crop(self, box: tuple[int, int, int, int]) -> "BandImage":
        """The part from (left, top) to (right, bottom), inside the image."""
        left, top, right, bottom = box
        return BandImage(self._values[top:bottom, left:right])

    def resize(
        self,
        size: tuple[int, int],
        resample: int | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> "BandImage":
        """As Pillow's: (width, height), the filter, and the part to resize."""
        parts = [
            make_image(self._values[..., k : k + _TOGETHER])
            for k in range(0, self._values.shape[-1], _TOGETHER)
        ]
        resized = [
            np.asarray(part.resize(size, resample, box)) for part in parts
        ]
        shaped = [part.reshape(size[1], size[0], -1) for part in resized]
        return BandImage(np.concatenate(shaped, -1))

    def histogram(self) -> list[int]:
        """Counts of the values 0 to 255, band by band."""
        counts = [
            np.bincount(self._values[..., k].ravel(), minlength=256)
            for k in range(self._values.shape[-1])
        ]
        return np.concatenate(counts).tolist()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """The pixels, uint8 [H, W, C]; read-only unless copied."""
        values = self._values.view()
        values.flags.writeable = False
        return np.array(values, dtype, copy=copy)


def make_image(values: np.ndarray) -> Image.Image | BandImage:
    """The image of pixels uint8 [H, W, C], C from 1 to 16.

    It is Pillow's, of the mode in `MODES`, where there is a mode for C.
    """
    height, width, channels = values.shape
    if channels not in MODES:
        return BandImage(values)
    return Image.frombytes(MODES[channels], (width, height), values.tobytes())
