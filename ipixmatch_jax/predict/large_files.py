"""Which images are predicted in windows of the file, and the loop over them."""

import os
import pathlib
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ipixmatch_jax.data.files import tiff_windows
from ipixmatch_jax.data.files.tiff_windows import Place
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.predict import files
from ipixmatch_jax.predict.blended_windows import make_grid
from ipixmatch_jax.predict.files import Item
from ipixmatch_jax.predict.geotiff import (
    Outputs,
    default_overlap,
    predict_tiff,
)
from ipixmatch_jax.predict.model import Model, choose_windows
from ipixmatch_jax.predict.predictor import Predictor
from ipixmatch_jax.predict.scene_progress import SceneProgress

# Side of the windows in pixels, unless crops are larger (ours). The memory of
# a forward, and the rows that are kept, grow with it.
WINDOW = 512

_ENDINGS = (".tif", ".tiff")


def find_large(items: list[Item], every: bool = False) -> list[Item]:
    """The TIFFs that are predicted in windows of the file.

    Files that cannot be read are left to the other way, which names them.

    Args:
      items: the images to predict.
      every: take TIFFs of any size, not only those above LARGE_SCENE pixels.

    Raises:
      RunError: there is one, and rasterio is not installed.
    """
    found = [item for item in items if _is_large(item.path, every)]
    if found:
        tiff_windows.import_rasterio(found[0].path)
    return found


def check_geotiff(items: list[Item]) -> None:
    """Refuses --geotiff where it would change nothing.

    Raises:
      ValueError: none of the images is a TIFF.
    """
    if not any(item.path.lower().endswith(_ENDINGS) for item in items):
        raise ValueError(
            "--geotiff writes a GeoTIFF for each TIFF, and none of the images "
            "ends in .tif or .tiff: leave it out."
        )


def _is_large(path: str, every: bool) -> bool:
    if not path.lower().endswith(_ENDINGS) or not os.path.isfile(path):
        return False
    try:
        height, width = tiff_windows.read_size(path)
    except BadFileError:
        return False
    return every or height * width > tiff_windows.LARGE_SCENE


def check_format(large: list[Item], label_format: str) -> None:
    """Raises ValueError where large TIFFs are to become a tool's labels."""
    if large and label_format != "masks":
        raise ValueError(
            f"{large[0].path} is predicted in windows and written as a GeoTIFF "
            f"of masks, not in the format {label_format}: leave --format out, "
            "or cut the image into smaller ones."
        )


def choose_overlap(
    model: Model, window: int | None, overlap: int | None
) -> tuple[int, int]:
    """The side of the windows, and the pixels that neighbours share.

    Args:
      model: that predicts them.
      window: the side that was asked for, see model.choose_windows.
      overlap: the pixels that were asked for; None: a quarter of the side.

    Raises:
      ValueError: the window is 0, does not fit the network, or is not larger
        than the overlap.
    """
    multiple = model.network.side_multiple
    windows = choose_windows(model.config, window, multiple, WINDOW)
    if windows is None:
        raise ValueError(
            "--window=0 cuts no image, but large TIFFs are read in windows: "
            "leave --window out, or give it a side."
        )
    if overlap is None:
        overlap = default_overlap(windows.side)
    if overlap >= windows.side:
        raise ValueError(
            f"--overlap={overlap} is not smaller than the windows, whose side "
            f"is {windows.side} pixels: give fewer pixels."
        )
    return windows.side, overlap


def predict_large(
    model: Model,
    predictor: Predictor,
    items: list[Item],
    out: pathlib.Path,
    kinds: tuple[str, ...],
    cut: tuple[int, int],
    bar: tqdm,
) -> int:
    """Predicts TIFFs one after the other and names bad files.

    Args:
      model: that predicts them.
      predictor: of the model.
      items: the TIFFs.
      out: the folder to write to.
      kinds: what to write, of files.KINDS; overlays are left out.
      cut: side and overlap of the windows.
      bar: advances by one with each file, and shows the windows of the file
        that are done.

    Returns:
      how many could not be read.
    """
    bad = 0
    for item in items:
        paths = files.geotiff_paths(out, kinds, item.name)
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        outputs = Outputs(paths["predictions"], paths.get("confidence"))
        try:
            _predict_one(model, predictor, item, outputs, cut, bar)
        except BadFileError as error:
            bad += 1
            tqdm.write(f"skipped: {error}", file=sys.stderr)
        bar.update()
    return bad


def _predict_one(
    model: Model,
    predictor: Predictor,
    item: Item,
    outputs: Outputs,
    cut: tuple[int, int],
    bar: tqdm,
) -> None:
    side, overlap = cut
    channels, ends = model.network.channels, model.value_range
    with tiff_windows.TiffWindows(item.path, channels, ends) as image:
        grid = make_grid(image.size, side, overlap)
        windows = len(grid.rows) * len(grid.columns)
        progress = SceneProgress(bar, item.name, windows)

        def run(places: Sequence[Place]) -> Iterator[np.ndarray]:
            return progress.count(predictor.predict_places(image.read, places))

        try:
            predict_tiff(image, outputs, run, model.palette, grid)
        finally:
            progress.clear()
