"""Predicts an image with an exported network; needs no other code.

python run.py model.zip image.jpg labels.png

It needs jax, flatbuffers, numpy and Pillow. An image is a JPEG, PNG or any
other file that Pillow reads with 8 bits per channel, or a .npy file that holds
uint8 [height, width, channels]. The labels are a PNG in the colours of the
classes, or with the ending .npy the class ids, uint8 [height, width].
"""

import json
import sys
import zipfile

import jax
import jax.export
import numpy as np
from PIL import Image, ImageOps

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read_model(path: str) -> tuple:
    """(network, class names, palette, preprocessing) of an exported file."""
    with zipfile.ZipFile(path) as archive:
        run = jax.export.deserialize(bytearray(archive.read("model.bin"))).call
        texts = ("class_names", "palette", "preprocessing")
        return run, *(json.loads(archive.read(f"{t}.json")) for t in texts)


def read_image(path: str, channels: int) -> np.ndarray:
    """The image as uint8 [height, width, channels], upright."""
    if path.endswith(".npy"):
        return np.load(path)
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if channels in (1, 3):
            image = image.convert("RGB")
        pixels = np.asarray(image.convert(MODES[channels]))
    return pixels.reshape(*pixels.shape[:2], channels)


def write_labels(path: str, ids: np.ndarray, palette: list) -> None:
    """Writes class ids as an indexed PNG, or as .npy."""
    if path.endswith(".npy"):
        np.save(path, ids)
        return
    image = Image.fromarray(ids)
    image.putpalette([value for colour in palette for value in colour])
    image.save(path)


def main() -> None:
    """Predicts the image that the command line names."""
    if len(sys.argv) != 4:
        sys.exit("usage: python run.py model.zip image.jpg labels.png")
    model, source, target = sys.argv[1:]
    try:
        run, names, palette, about = read_model(model)
        most = about["height"], about["width"]
    except (OSError, LookupError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"{model} is not a whole exported network ({error}).")
    try:
        image = read_image(source, about["channels"])
    except (OSError, ValueError) as error:
        sys.exit(f"{source} cannot be read as an image ({error}).")
    height, width, channels = image.shape
    if height > most[0] or width > most[1]:
        sys.exit(
            f"{source} has {width}x{height} pixels and the network takes at "
            f"most {most[1]}x{most[0]}: shrink or cut the image, or export the "
            "network with a larger --export-size."
        )
    batch = np.zeros((1, *most, channels), np.uint8)
    batch[0, :height, :width] = image
    ids, _ = jax.jit(run)(batch, np.asarray([[height, width]], np.int32))
    found = np.asarray(ids)[0, :height, :width]
    for k in np.unique(found):
        print(f"{names[k]}: {100 * np.mean(found == k):.1f} % of the pixels")
    write_labels(target, found, palette)


if __name__ == "__main__":
    main()
