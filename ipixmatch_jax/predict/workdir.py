"""Predicts images with a run, and exports a run's network."""

import collections
import functools
import pathlib
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from tqdm import tqdm

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate.resized_images import nearest_multiple
from ipixmatch_jax.experiment.network import build_network
from ipixmatch_jax.experiment.resolve import change_fields
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.predict import (
    export,
    files,
    large_files,
    onnx_file,
    video_files,
)
from ipixmatch_jax.predict.averaging import PLAIN, Averaging
from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.predict.formats.registry import FORMATS
from ipixmatch_jax.predict.model import Model, choose_windows, load_model
from ipixmatch_jax.predict.predictor import Prediction
from ipixmatch_jax.utils.atomic import require_folder, require_writable
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.threads import WRITERS

_WAITING = 4  # predictions that wait for them, of up to 700 MB
EXPORTED = 512  # pixels along a side, unless crops are larger
SMALLEST = 33  # pixels along a side of a window, or of an exported image


class Done(NamedTuple):
    """Counts of files: predicted now, already there, and bad."""

    predicted: int
    there: int
    bad: int


def predict_workdir(
    workdir: pathlib.Path,
    images: pathlib.Path | Sequence[files.Item],
    out: pathlib.Path,
    *,
    network: str = "best",
    checkpoint: str = "best",
    root: str | None = None,
    kinds: tuple[str, ...] = ("overlays",),
    label_format: str = "masks",
    options: dict[str, Any] | None = None,
    averaging: Averaging = PLAIN,
    window: int | None = None,
    overlap: int | None = None,
    geotiff: bool = False,
) -> Done:
    """Predicts files with a run's network; those already done are skipped.

    Args:
      workdir: of the run.
      images: an image, a video, a folder, a list or items; see
        files.find_images.
      out: the folder to write to.
      network: "best", "student", "teacher" or "twin".
      checkpoint: "best" or "last".
      root: the data set's folder, if it moved.
      kinds: the pictures to write beside the predictions, of files.KINDS.
      label_format: what to write the predictions in, of FORMATS.
      options: some of the format's own, by their names in Labelling.
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
    options = options or {}
    writer = FORMATS[label_format]
    writer.require_packages(options.get("tolerance"))
    named = not isinstance(images, pathlib.Path) or images.is_file()
    videos, items = video_files.split_off(
        files.find_images(images, out, writer),
        kinds,
        label_format,
        named=named,
    )
    if geotiff:
        large_files.check_geotiff(items)
    large = large_files.find_large(items, geotiff)
    large_files.check_format(large, label_format)
    model = load_model(
        workdir, checkpoint=checkpoint, network=network, root=root
    )
    cut = large_files.choose_overlap(model, window, overlap) if large else None
    labelling = _describe_labelling(model, options)
    writer.check([item.name for item in items], labelling)
    own = {name: getattr(labelling, name) for name in writer.options}
    of_formats = {label_format: own} if own else {}
    settings = _describe(model, averaging, window) | {"overlap": overlap}
    files.check_settings(out, settings, of_formats)
    if model.classes.note:
        tqdm.write(model.classes.note, file=sys.stderr)
    if "overlays" in kinds:
        files.write_legend(out, model.class_names, model.palette)
    every = _Work([i for i in items if i not in set(large)], large, videos)
    left = _find_left(every, out, kinds, writer)
    predictor = model.make_predictor(averaging, window)
    predictions = predictor.predict_files([item.path for item in left.images])
    write = functools.partial(_write_one, out, kinds, writer, labelling)
    there = every.total - left.total
    warning = files.note_folders(out, [*items, *videos], there)
    if warning:
        tqdm.write(printable(warning), file=sys.stderr)
    with tqdm(total=every.total, initial=there, unit="file") as bar:
        bad = _write_all(predictions, left.images, write, bar)
        if cut is not None:
            bad += large_files.predict_large(
                model, predictor, left.large, out, kinds, cut, bar
            )
        bad += video_files.predict_videos(
            model, predictor, left.videos, out, kinds, bar
        )
    writer.join(out, labelling)
    return Done(left.total - bad, there, bad)


class _Work(NamedTuple):
    """Files to predict, by the way in which that is done."""

    images: list[files.Item]
    large: list[files.Item]
    videos: list[files.Item]

    @property
    def total(self) -> int:
        return len(self.images) + len(self.large) + len(self.videos)


def _find_left(
    work: _Work,
    out: pathlib.Path,
    kinds: tuple[str, ...],
    writer: LabelFormat,
) -> _Work:
    """The files that lack an output."""
    find = files.find_missing
    return _Work(
        find(work.images, lambda n: files.image_paths(out, kinds, writer, n)),
        find(work.large, lambda n: files.geotiff_paths(out, kinds, n).values()),
        find(work.videos, lambda n: files.video_paths(out, kinds, n).values()),
    )


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


def _describe_labelling(model: Model, options: dict[str, Any]) -> Labelling:
    return Labelling(
        model.class_names,
        model.palette,
        f"the {model.network_name} after {model.step} steps",
        **options,
    )


def _write_one(
    out: pathlib.Path,
    kinds: tuple[str, ...],
    writer: LabelFormat,
    labelling: Labelling,
    item: files.Item,
    prediction: Prediction,
) -> None:
    """Writes an image's files; labels that are there may be corrected ones."""
    labels = [out / file for file in writer.image_files(item.name)]
    if not all(path.is_file() for path in labels):
        image = LabelledImage(*item, prediction.ids, prediction.confidence)
        writer.write_image(out, image, labelling)
    files.write_pictures(out, kinds, item.name, prediction, labelling.palette)


def _write_all(predictions, items, write, bar) -> int:
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
            waiting.append(pool.submit(write, items[i], prediction))
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
    side = size or choose_side(model)
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


def choose_side(model: Model) -> int:
    """The side in pixels for which a network is exported by default."""
    side = nearest_multiple(EXPORTED, model.network.side_multiple)
    return max(side, model.config.data.crop_size)


def export_onnx(
    workdir: pathlib.Path,
    to: pathlib.Path,
    *,
    network: str = "best",
    checkpoint: str = "best",
    size: tuple[int, int] | None = None,
) -> str:
    """Writes a run's network as an ONNX file in float32; see onnx_file.

    Args:
      workdir: of the run.
      to: the file.
      network: "best", "student", "teacher" or "twin".
      checkpoint: "best" or "last".
      size: height and width of the images in pixels; None: both as
        `choose_side` has it.

    Returns:
      a sentence that says what was written.

    Raises:
      ValueError, FileNotFoundError: one sentence; nothing is written.
    """
    onnx_file.require_extra()
    require_writable(to, "--to")
    model = load_model(workdir, checkpoint=checkpoint, network=network)
    side = choose_side(model)
    height, width = size or (side, side)
    plain = {"precision": "f32", "model.attention": "xla"}
    difference = onnx_file.write_onnx(
        to,
        build_network(change_fields(model.config, plain)),
        model.variables,
        size=(height, width),
        class_names=model.class_names,
        palette=model.palette,
        value_range=model.value_range,
    )
    return (
        f"{to}: the {model.network_name} after {model.step} steps, for images "
        f"of {height}x{width} pixels (height x width) and "
        f"{len(model.class_names)} classes. In onnxruntime its probabilities "
        f"are within {difference:.1g} of the network's. {model.classes.note}"
    ).strip()
