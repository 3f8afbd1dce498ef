"""Predicts images with a run, and exports a run's network."""

import collections
import pathlib
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from tqdm import tqdm

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate.resized_images import nearest_multiple
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.predict import export, files, large_files
from ipixmatch_jax.predict.averaging import PLAIN, Averaging
from ipixmatch_jax.predict.model import Model, choose_windows, load_model
from ipixmatch_jax.utils.atomic import require_folder, require_writable
from ipixmatch_jax.utils.threads import WRITERS

_WAITING = 4  # predictions that wait for them, of up to 700 MB
EXPORTED = 512  # pixels along a side, unless crops are larger


class Done(NamedTuple):
    """Counts of images: predicted now, already there, and bad."""

    predicted: int
    there: int
    bad: int


def predict_workdir(
    workdir: pathlib.Path,
    images: pathlib.Path,
    out: pathlib.Path,
    *,
    network: str = "best",
    checkpoint: str = "best",
    root: str | None = None,
    kinds: tuple[str, ...] = ("predictions", "overlays"),
    averaging: Averaging = PLAIN,
    window: int | None = None,
    overlap: int | None = None,
    geotiff: bool = False,
) -> Done:
    """Predicts images with a run's network; those already done are skipped.

    Args:
      workdir: of the run.
      images: an image, a folder or a list; see files.find_images.
      out: the folder to write to.
      network: "best", "student", "teacher" or "twin".
      checkpoint: "best" or "last".
      root: the data set's folder, if it moved.
      kinds: what to write, of files.KINDS.
      averaging: see Averaging.
      window: see model.choose_windows.
      overlap: pixels that the windows of large TIFFs share, see
        large_files.choose_overlap.
      geotiff: predict every TIFF as large ones are.

    Raises:
      ValueError, FileNotFoundError, RunError: one sentence, before any
        prediction.
    """
    load_run_config(workdir)  # The quickest check comes first.
    require_folder(out, "--out")
    items = files.find_images(images, out)
    large = large_files.find_large(items, geotiff)
    model = load_model(
        workdir, checkpoint=checkpoint, network=network, root=root
    )
    cut = large_files.choose_overlap(model, window, overlap) if large else None
    settings = _describe(model, averaging, window)
    files.check_settings(out, settings | {"overlap": overlap})
    if model.classes.note:
        tqdm.write(model.classes.note, file=sys.stderr)
    if "overlays" in kinds:
        files.write_legend(out, model.class_names, model.palette)
    others = [item for item in items if item not in set(large)]
    left = files.find_missing(others, out, kinds)
    predictor = model.make_predictor(averaging, window)
    predictions = predictor.predict_files([item.path for item in left])
    large = large_files.find_missing(large, out, kinds)
    there = len(items) - len(left) - len(large)
    with tqdm(total=len(items), initial=there, unit="image") as bar:
        bad = _write_all(predictions, left, out, kinds, model.palette, bar)
        if cut is not None:
            bad += large_files.predict_large(
                model, predictor, large, out, kinds, cut, bar
            )
    return Done(len(left) + len(large) - bad, there, bad)


def _describe(
    model: Model, averaging: Averaging, window: int | None
) -> dict[str, Any]:
    """What predictions depend on, as JSON gives it back."""
    windows = choose_windows(model.config, window, model.network.side_multiple)
    return {
        "network": model.network_name,
        "step": model.step,
        "scales": list(averaging.scales),
        "flip": averaging.flip,
        "windows": None if windows is None else windows._asdict(),
        "class_names": list(model.class_names),
        "palette": [list(colour) for colour in model.palette],
        "workdir": str(model.workdir.absolute()),
    }


def _write_all(predictions, items, out, kinds, palette, bar) -> int:
    """Writes predictions and names bad files; returns the number of these."""
    bad = 0
    waiting: collections.deque[Future] = collections.deque()
    with ThreadPoolExecutor(WRITERS) as pool:
        for i, prediction in predictions:
            if isinstance(prediction, BadFileError):
                bad += 1
                tqdm.write(f"skipped: {prediction}", file=sys.stderr)
                bar.update()
                continue
            if len(waiting) == _WAITING:
                waiting.popleft().result()
                bar.update()
            job = (out, kinds, items[i].name, prediction, palette)
            waiting.append(pool.submit(files.write_prediction, *job))
        for written in waiting:
            written.result()
            bar.update()
    return bad


def export_workdir(
    workdir: pathlib.Path,
    to: pathlib.Path,
    *,
    network: str = "best",
    checkpoint: str = "best",
    root: str | None = None,
    size: int | None = None,
) -> str:
    """Writes a run's network as one file; see export.

    Args:
      workdir: of the run.
      to: the file.
      network: "best", "student", "teacher" or "twin".
      checkpoint: "best" or "last".
      root: the data set's folder, if it moved.
      size: side in pixels of the largest images that the file takes; None:
        512 or data.crop_size, whichever is larger.

    Returns:
      a sentence that says what was written.

    Raises:
      ValueError, FileNotFoundError: one sentence; nothing is written.
    """
    if to.is_dir():
        raise ValueError(
            f"{to} is a folder; --export needs the name of a file."
        )
    require_writable(to, "--export")
    model = load_model(
        workdir, checkpoint=checkpoint, network=network, root=root
    )
    multiple = model.network.side_multiple
    side = nearest_multiple(EXPORTED, multiple)
    side = size or max(side, model.config.data.crop_size)
    export.write_export(
        to,
        model.network,
        model.variables,
        size=(side, side),
        class_names=model.class_names,
        palette=model.palette,
        value_range=model.value_range,
    )
    return (
        f"{to}: the {model.network_name} after {model.step} steps, for images "
        f"up to {side}x{side} of {len(model.class_names)} classes. "
        f"{model.classes.note}"
    ).strip()
