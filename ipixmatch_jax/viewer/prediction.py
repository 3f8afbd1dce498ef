"""Predicts one uploaded image, and makes the pictures that the page shows."""

import base64
import io
import pathlib
import threading
from typing import Any

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.walk import ending
from ipixmatch_jax.data.source import BadFileError, pixels
from ipixmatch_jax.evaluate.image_batches import Item
from ipixmatch_jax.predict import files
from ipixmatch_jax.predict.formats.masks import draw_mask
from ipixmatch_jax.predict.model import Model
from ipixmatch_jax.predict.predictor import Prediction
from ipixmatch_jax.predict.video_reader import ENDINGS as VIDEO_ENDINGS
from ipixmatch_jax.utils import pictures

# `predict` reads larger TIFFs in windows; a browser is slow with as many.
MOST_PIXELS = 4096 * 4096
# Of an upload: those pixels in four bands of four bytes, and a little more.
MOST_BYTES = 2**29
_FAST = 1  # Lowest level of zlib, for what is only shown.


class Viewer:
    """Predicts images that were never in a file of this machine.

    Attributes:
      model: that predicts them.
    """

    def __init__(self, model: Model):
        """Compiles nothing yet."""
        self.model = model
        self._predictor = model.make_predictor()
        self._one_at_a_time = threading.Lock()

    def predict(self, name: str, data: bytes) -> dict[str, Any]:
        """Predicts one image as the command `predict` does.

        Args:
          name: of the file, for messages and for what is saved.
          data: what the file holds.

        Returns:
          what JSON can hold: `name` without its ending, `width` and `height`
          in pixels, `classes` (see `count_classes`), and as PNG in base64
          `image`, `mask` (class ids), `overlay` and `confidence`.

        Raises:
          BadFileError: the file cannot be used; one sentence.
        """
        size = _check(name, data, self.model.workdir)
        network = self.model.network

        def read(index: int) -> Item:
            del index
            image = decode.read_image(
                name, data, network.channels, self.model.value_range
            )
            return Item(pixels(image))

        with self._one_at_a_time:
            ((_, found),) = self._predictor.predict({0: size}, read)
        assert isinstance(found, Prediction)  # `read` raises its errors.
        return self._describe(name, found)

    def _describe(self, name: str, found: Prediction) -> dict[str, Any]:
        palette = self.model.palette
        shown = Image.fromarray(pictures.to_rgb(found.image))
        mask = draw_mask(found.ids, palette)
        height, width = found.ids.shape
        made = {
            "image": _png(shown, compress_level=_FAST),
            "mask": _png(mask),
        }
        for key, kind in (("overlay", "overlays"), ("confidence",) * 2):
            file = io.BytesIO()
            files.save_picture(file, kind, found, palette)
            made[key] = file.getvalue()
        return {
            "name": pathlib.PurePath(name).stem,
            "width": width,
            "height": height,
            "classes": count_classes(found, self.model),
            **{k: base64.b64encode(v).decode() for k, v in made.items()},
        }


def count_classes(found: Prediction, model: Model) -> list[dict[str, Any]]:
    """The share of each class, the largest first.

    Args:
      found: the prediction of an image.
      model: with the names and colours of the classes.

    Returns:
      for each class of the image its `name`, `colour` (red, green, blue in
      0..255), `share` of the pixels, and the mean `confidence` on them.
    """
    count = len(model.class_names)
    ids = found.ids.ravel()
    totals = np.bincount(ids, minlength=count)
    sums = np.bincount(ids, found.confidence.ravel(), minlength=count)
    return [
        {
            "name": model.class_names[k],
            "colour": list(model.palette[k]),
            "share": float(totals[k] / ids.size),
            "confidence": float(sums[k] / totals[k]),
        }
        for k in np.argsort(-totals, kind="stable")
        if totals[k]
    ]


def _check(name: str, data: bytes, workdir: pathlib.Path) -> tuple[int, int]:
    """Height and width of an image that the page takes."""
    if ending(name) in VIDEO_ENDINGS:
        raise BadFileError(
            f"{name} is a video: `ipixmatch predict --workdir {workdir} "
            f"--images {name} --out DIR` writes one with the colours over it."
        )
    if not data:
        raise BadFileError(f"{name} is empty: it holds 0 bytes.")
    height, width = decode.read_size(name, data)
    if height * width > MOST_PIXELS:
        raise BadFileError(
            f"{name} is {width}x{height}, and this page takes images of up to "
            f"{MOST_PIXELS:,} pixels: `ipixmatch predict` takes larger ones."
        )
    return height, width


def _png(picture: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG", **options)
    return file.getvalue()
