"""Predicts an image with an exported network; needs no other code.

python run.py model.zip image.jpg labels.png

It needs jax, flatbuffers, numpy and Pillow. An image is a JPEG, PNG, WebP or
BMP, or a .npy file that holds [height, width, channels]. Values of more than 8
bits come from a grey PNG of 16 bits or from a .npy file, and are scaled over
the range that the network was trained with. The labels are a PNG in the colours
of the classes, or with the ending .npy the class ids, uint8 [height, width].
"""

import json
import sys
import zipfile

import jax
import jax.export
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MODES = {2: "LA", 4: "RGBA"}


def read_model(path: str) -> tuple:
    """(network, class names, palette, preprocessing) of an exported file."""
    with zipfile.ZipFile(path) as archive:
        run = jax.export.deserialize(bytearray(archive.read("model.bin"))).call
        texts = ("class_names", "palette", "preprocessing")
        return run, *(json.loads(archive.read(f"{t}.json")) for t in texts)


def read_image(path: str, about: dict) -> np.ndarray:
    """The image as uint8 [height, width, channels], upright."""
    channels = about["channels"]
    if path.endswith(".npy"):
        values = np.load(path)
        values = values[..., None] if values.ndim == 2 else values
        if values.ndim != 3 or values.shape[2] != channels or not values.size:
            sys.exit(
                f"{path} has the shape {values.shape}; the network takes "
                f"[height, width, {channels}]."
            )
        return to_8_bits(values, about["range"], path)
    try:
        with Image.open(path, formats=FORMATS) as opened:
            image = ImageOps.exif_transpose(opened)
    except UnidentifiedImageError:
        sys.exit(f"{path} is not a JPEG, PNG, WebP or BMP: give a .npy file.")
    if image.mode == "I;16" and channels in (1, 3):
        values = to_8_bits(np.asarray(image), about["range"], path)
        return np.repeat(values[..., None], channels, axis=-1)
    if is_deep_png(path):
        sys.exit(
            f"{path} holds 16 bits per channel, of which Pillow drops half: "
            "give its values as a .npy file."
        )
    if channels not in (1, 3) and image.mode != MODES.get(channels):
        mode = f"mode {MODES[channels]} or " if channels in MODES else ""
        sys.exit(
            f"{path} has mode {image.mode}, and the network takes images of "
            f"{channels} channels: {mode}a .npy file."
        )
    if channels in (1, 3):
        image = image.convert("RGB")
        image = image.convert("L") if channels == 1 else image
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], channels)


def is_deep_png(path: str) -> bool:
    """Whether a file is a PNG of 16 bits per channel."""
    with open(path, "rb") as file:
        head = file.read(25)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16


def to_8_bits(values: np.ndarray, ends: list | None, path: str) -> np.ndarray:
    """Values as uint8, scaled over `ends` or the range of their type."""
    if values.dtype == np.uint8:
        return values
    if ends is None and values.dtype.kind not in "iu":
        sys.exit(
            f"{path} holds {values.dtype}, and the network was trained without "
            "a range for such values: scale them to uint8."
        )
    if ends is None:
        ends = [np.iinfo(values.dtype).min, np.iinfo(values.dtype).max]
    low, high = map(np.asarray, ends)  # One number, or one per channel.
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    scaled = np.where(np.isfinite(scaled), scaled, 0)
    return (np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)


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
        image = read_image(source, about)
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
