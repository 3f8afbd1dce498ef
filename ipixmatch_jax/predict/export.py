"""A trained network as one file that runs with JAX alone.

A zip of
    model.bin           jax.export's serialised StableHLO, weights inside
    class_names.json    one name per class id
    palette.json        one [red, green, blue] per class id
    preprocessing.json  what goes in and what comes out, in words and numbers

docs/predict.md shows how it is read.
"""

import json
import pathlib
import zipfile

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.predict.predictor import probabilities
from ipixmatch_jax.utils import atomic

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

_CHANNELS = {
    1: "grey",
    2: "grey and one more channel",
    3: "RGB",
    4: "RGB and one more channel",
}

# A zip's own date would make every file differ; this is its first.
_DATE = (1980, 1, 1, 0, 0, 0)


def serialise(
    network: Segmenter, variables: dict, size: tuple[int, int]
) -> bytes:
    """The function `(images, sizes) -> (ids, confidence)`, weights inside.

    images are uint8 [B, *size, C] of any B, sizes int32 [B, 2] the true
    heights and widths inside them (the rest is not looked at); ids are uint8
    and confidence float32 [B, *size].
    """
    variables = jax.tree.map(np.asarray, variables)

    def run(images, sizes):
        shares = probabilities(network, variables, images, sizes)
        ids = jnp.argmax(shares, axis=-1).astype(jnp.uint8)
        return ids, jnp.max(shares, axis=-1)

    (batch,) = jax.export.symbolic_shape("b")
    exported = jax.export.export(jax.jit(run), platforms=PLATFORMS)(
        jax.ShapeDtypeStruct((batch, *size, network.channels), jnp.uint8),
        jax.ShapeDtypeStruct((batch, 2), jnp.int32),
    )
    return bytes(exported.serialize())


def preprocessing(network: Segmenter, size: tuple[int, int]) -> dict:
    """What preprocessing.json says."""
    height, width = size
    channels = network.channels
    return {
        "images": f"uint8 [B, {height}, {width}, {channels}], "
        f"{_CHANNELS[channels]}, each image in the upper left corner at its "
        "own size, EXIF rotation applied; what lies beyond it is not looked "
        "at",
        "sizes": "int32 [B, 2], height and width of each image",
        "returns": f"class ids uint8 and their probabilities float32, both "
        f"[B, {height}, {width}], without meaning beyond the sizes",
        "height": height,
        "width": width,
        "inside": "division by 255, then minus mean and over std per channel",
        "mean": list(network.mean or normalisation.MEAN),
        "std": list(network.std or normalisation.STD),
        "platforms": list(PLATFORMS),
    }


def write(
    to: pathlib.Path,
    network: Segmenter,
    variables: dict,
    *,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    palette,
) -> None:
    """Writes the file, whole or not at all.

    Args:
      to: the file; one that is there is replaced.
      network: a Segmenter.
      variables: its params and batch_stats.
      size: height and width of the largest images it shall take, in pixels.
      class_names: one per class id.
      palette: one (red, green, blue) in 0..255 per class id.
    """
    contents = {
        "model.bin": serialise(network, variables, size),
        "class_names.json": _json(list(class_names)),
        "palette.json": _json([list(colour) for colour in palette]),
        "preprocessing.json": _json(preprocessing(network, size)),
    }
    to.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic.replacing(to) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)


def _json(value) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
