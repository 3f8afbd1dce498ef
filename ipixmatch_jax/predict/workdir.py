"""A run's network, and the files that are predicted or written with it."""

import collections
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ml_collections import FrozenConfigDict
from tqdm import tqdm

from ipixmatch_jax.configuration.saved import load_config
from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.class_list import (
    check_same_classes,
    read_classes,
)
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.predict import export, files, predictor

_WRITERS = 4  # threads
_WAITING = 4  # predictions held for them, of up to 700 MB
EXPORTED = 512  # pixels along a side, unless crops are larger


class Classes(NamedTuple):
    """What the ids stand for.

    Attributes:
      names: one per id.
      palette: one (red, green, blue) in 0..255 per id.
      note: a sentence where they are not the data set's own, or "".
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    note: str = ""


class Done(NamedTuple):
    """How many images were predicted, were there, and are bad."""

    predicted: int
    there: int
    bad: int


def classes(config: FrozenConfigDict, workdir: pathlib.Path) -> Classes:
    """The class list that a run was trained with.

    It is compared with the data set's, which need not be there any more. A
    run of an older version recorded none: it gets the data set's; without
    that the names of results.json, or numbers, and VOC's colours.

    Raises:
      ValueError: the data set's list is another one.
    """
    recorded = read_classes(workdir)
    try:
        data = open_data(config)
    except (ValueError, FileNotFoundError) as error:
        if recorded is not None:
            return Classes(recorded.names, recorded.palette)
        count = config.model.num_classes
        names = _stored_names(workdir)
        if len(names) != count:
            names = tuple(f"class {k}" for k in range(count))
        note = f"Without the data set, colours are VOC's. {error}"
        return Classes(names, tuple(map(voc_colour, range(count))), note)
    known = check_same_classes(recorded, data, workdir)
    return Classes(known.names, known.palette)


def _stored_names(workdir: pathlib.Path) -> tuple[str, ...]:
    try:
        return tuple(results_table.read(workdir)["class_names"])
    except FileNotFoundError:  # It is not finished.
        return ()


def choose(run: restore.Trained, network: str) -> str:
    """The name of a run's network, where "best" is the one best on val.

    Raises:
      ValueError: the run has no such network.
    """
    name = run.better if network == "best" else network
    if name not in run.variables:
        raise ValueError(
            f"The run has no network {name!r}; --network is best or "
            f"{' or '.join(run.variables)}."
        )
    return name


def choose_windows(
    config: FrozenConfigDict, side: int | None
) -> predictor.Windows | None:
    """The windows that --window asks for, or by default fit the run.

    Args:
      config: the run's.
      side: in pixels, for every image; 0: none; None: large images, or with
        evaluate.mode=sliding_window every image, as it was scored.
    """
    crop_size = config.data.crop_size
    if side == 0:
        return None
    if side is not None:
        return predictor.Windows(side, 0)
    if config.evaluate.mode == "sliding_window":
        return predictor.Windows(crop_size, 0)
    return predictor.Windows(max(predictor.WINDOW, crop_size))


def predict_workdir(
    workdir: pathlib.Path,
    images: pathlib.Path,
    out: pathlib.Path,
    *,
    network: str = "best",
    checkpoint: str = "best",
    root: str | None = None,
    kinds: tuple[str, ...] = ("predictions", "overlays"),
    averaging: predictor.Averaging = predictor.PLAIN,
    window: int | None = None,
) -> Done:
    """Predicts images with a run's network; what is done already is left.

    Args:
      workdir: the run's.
      images: see prediction_files.find.
      out: the outputs' folder.
      network: "best", "student", "teacher" or "twin".
      checkpoint: "best" or "last".
      root: the data set's folder, if it is not where it was.
      kinds: of prediction_files.KINDS.
      averaging: see predict.Averaging.
      window: see choose_windows.

    Raises:
      ValueError, FileNotFoundError: one sentence, before any prediction.
    """
    load_config(workdir)  # The quickest to be wrong.
    items = files.find(images, out)
    run = restore.restore(workdir, checkpoint, root)
    name = choose(run, network)
    windows = choose_windows(run.config, window)
    known = classes(run.config, workdir)
    made_with = _made_with(run, name, averaging, windows, known)
    made_with["workdir"] = str(workdir.absolute())
    files.check_settings(out, made_with)
    if known.note:
        tqdm.write(known.note, file=sys.stderr)
    left = files.missing(items, out, kinds)
    predictions = predictor.predict_files(
        run.network,
        run.variables[name],
        [item.path for item in left],
        averaging=averaging,
        windows=windows,
        batch_size=run.config.evaluate.batch_size,
        mesh=run.mesh,
    )
    there = len(items) - len(left)
    with tqdm(total=len(items), initial=there, unit="image") as bar:
        bad = _write(predictions, left, out, kinds, known.palette, bar)
    return Done(len(left) - bad, there, bad)


def _made_with(run, name, averaging, windows, known) -> dict:
    """What predictions depend on, as JSON gives it back."""
    return {
        "network": name,
        "step": run.step,
        "scales": list(averaging.scales),
        "flip": averaging.flip,
        "windows": None if windows is None else windows._asdict(),
        "class_names": list(known.names),
        "palette": [list(colour) for colour in known.palette],
    }


def _write(predictions, items, out, kinds, palette, bar) -> int:
    """Writes what is predicted, names bad files; how many there were."""
    bad, waiting = 0, collections.deque()
    with ThreadPoolExecutor(_WRITERS) as pool:
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
            waiting.append(pool.submit(files.write, *job))
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
    """Writes a run's network as export.write does.

    Args:
      workdir: the run's.
      to: the file.
      network: "best", "student", "teacher" or "twin".
      checkpoint: "best" or "last".
      root: the data set's folder, if it is not where it was.
      size: side in pixels of the largest images that it shall take; None:
        512 or data.crop_size, whichever is larger.

    Returns:
      a sentence on what was written.

    Raises:
      ValueError, FileNotFoundError: one sentence; nothing is written.
    """
    if to.is_dir():
        raise ValueError(f"{to} is a folder; --export wants a file.")
    run = restore.restore(workdir, checkpoint, root)
    name = choose(run, network)
    known = classes(run.config, workdir)
    side = size or max(EXPORTED, run.config.data.crop_size)
    export.write(
        to,
        run.network,
        run.variables[name],
        size=(side, side),
        class_names=known.names,
        palette=known.palette,
    )
    return (
        f"{to}: the {name} after {run.step} steps, for images up to "
        f"{side}x{side} of {len(known.names)} classes. {known.note}"
    ).strip()
