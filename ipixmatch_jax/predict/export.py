"""A trained network as one file that runs without this package.

The file is a zip of

    model.bin           the network as StableHLO of jax.export, with weights
    class_names.json    one name per class id
    palette.json        one [red, green, blue] per class id
    preprocessing.json  the inputs and outputs, in words and numbers
    run.py              a program that predicts an image with the file

and docs/predict.md shows how to use it.
"""

import importlib.resources
import json
import pathlib
import zipfile

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.data.files.bands import Range
from ipixmatch_jax.evaluate.resized_images import nearest_multiple
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.predict.averaging import average_probabilities
from ipixmatch_jax.utils import atomic

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

_CHANNELS = {
    1: "grey",
    2: "grey and one more channel",
    3: "RGB",
    4: "RGB and one more channel",
}

# A fixed date, the earliest of a zip, so that equal exports are equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


def serialise_network(
    network: Segmenter, variables: dict, size: tuple[int, int]
) -> bytes:
    """The function `(images, sizes) -> (ids, confidence)` with its weights.

    Args:
      network: a Segmenter.
      variables: its params and batch_stats.
      size: height and width of `images` in pixels.

    Returns:
      what jax.export serialises. images are uint8 [B, *size, C] for any B,
      sizes int32 [B, 2] their true heights and widths (pixels beyond these
      are ignored); ids are uint8 and confidence float32 [B, *size].
    """
    variables = jax.tree.map(np.asarray, variables)

    def run(images, sizes):
        shares = average_probabilities(network, variables, images, sizes)
        ids = jnp.argmax(shares, axis=-1).astype(jnp.uint8)
        return ids, jnp.max(shares, axis=-1)

    (batch,) = jax.export.symbolic_shape("b")
    exported = jax.export.export(jax.jit(run), platforms=PLATFORMS)(
        jax.ShapeDtypeStruct((batch, *size, network.channels), jnp.uint8),
        jax.ShapeDtypeStruct((batch, 2), jnp.int32),
    )
    return bytes(exported.serialize())


def describe_preprocessing(
    network: Segmenter,
    size: tuple[int, int],
    value_range: Range | None = None,
) -> dict:
    """The contents of preprocessing.json; arguments as of `write_export`."""
    height, width = size
    channels = network.channels
    what = describe_channels(channels)
    return {
        "images": f"uint8 [B, {height}, {width}, {channels}], {what}, each "
        "image in the upper left corner at its own size, turned upright as "
        "EXIF says; the rest is ignored",
        "sizes": "int32 [B, 2], height and width of each image",
        "returns": f"class ids uint8 and their probabilities float32, both "
        f"[B, {height}, {width}], without meaning beyond the sizes",
        **describe_values(network, size, value_range),
        "platforms": list(PLATFORMS),
    }


def describe_channels(channels: int) -> str:
    """What the channels of an image are, in words."""
    return _CHANNELS.get(channels, f"{channels} bands in the images' order")


def describe_values(
    network: Segmenter,
    size: tuple[int, int],
    value_range: Range | None = None,
) -> dict:
    """What becomes of an image's values; arguments as of `write_export`."""
    return {
        "range": None if value_range is None else list(value_range),
        "deeper": "values of more than 8 bits become uint8 first: the two of "
        "range become 0 and 255, those between are scaled linearly and the "
        "others clipped; where it is null, the ends of their type do",
        "channels": network.channels,
        "height": size[0],
        "width": size[1],
        "inside": "division by 255, then by channel minus mean, divided by std"
        + _resizing(network, size),
        "mean": list(network.mean or normalisation.MEAN),
        "std": list(network.std or normalisation.STD),
    }


def _resizing(network: Segmenter, size: tuple[int, int]) -> str:
    """Words on what a network does that sees images at one size alone."""
    if network.exact_when_padded:
        return ""
    sides = [nearest_multiple(side, network.side_multiple) for side in size]
    return (
        f", then each image is resized to {sides[0]} x {sides[1]} pixels, "
        "whatever its own size, and its class scores are resized back "
        "(bilinear, aligned corners)"
    )


def write_export(
    to: pathlib.Path,
    network: Segmenter,
    variables: dict,
    *,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    palette,
    value_range: Range | None = None,
) -> None:
    """Writes the file, whole or not at all.

    Args:
      to: the file, which is replaced if it exists.
      network: a Segmenter.
      variables: its params and batch_stats.
      size: height and width in pixels of the largest images it takes.
      class_names: one per class id.
      palette: one (red, green, blue) in 0..255 per class id.
      value_range: the values that become 0 and 255 in images of more than 8
        bits; None: the ends of their type.
    """
    contents = {
        "model.bin": serialise_network(network, variables, size),
        "class_names.json": _json(list(class_names)),
        "palette.json": _json([list(colour) for colour in palette]),
        "preprocessing.json": _json(
            describe_preprocessing(network, size, value_range)
        ),
        "run.py": _program(),
    }
    to.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic.replace_file(to) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)


def _program() -> bytes:
    place = importlib.resources.files("ipixmatch_jax.predict")
    return place.joinpath("exported_run.py").read_bytes()


def _json(value) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
