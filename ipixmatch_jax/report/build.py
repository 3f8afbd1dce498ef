"""Builds the page of one run, or the comparison of several."""

import pathlib
import sys

from tqdm import tqdm

from ipixmatch_jax.data import class_counts
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.cautions import describe_warmup
from ipixmatch_jax.experiment.class_list import (
    check_same_classes,
    read_classes,
)
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.report.comparison_page import build_comparison_page
from ipixmatch_jax.report.run_files import list_workdirs, read_runs
from ipixmatch_jax.report.run_page import build_run_page
from ipixmatch_jax.report.val_evaluation import ValResult, evaluate_val
from ipixmatch_jax.utils import atomic
from ipixmatch_jax.utils.file_names import printable

IMAGES = 6
_WITHOUT = "No confusion matrix and no images:"


def build_page(
    workdirs: list[pathlib.Path],
    *,
    images: int = IMAGES,
    root: str | None = None,
) -> str:
    """The page of one run, or the comparison of several, as HTML.

    Args:
      workdirs: of the runs. A comparison reads what they logged; the networks
        of a single run's best checkpoint are also scored on val.
      images: how many val images to show, half of them the worst, half the
        best; 0: score nothing.
      root: the data set's folder, if it moved.

    Raises:
      FileNotFoundError: a folder is not the workdir of a run.
      ValueError: a workdir is given twice, images is below 0, or a file is
        damaged.
    """
    if images < 0:
        raise ValueError(f"--images {images} is below 0.")
    found = read_runs(workdirs)
    if len(found) > 1:
        return build_comparison_page(found)
    run, result = found[0], None
    notes: list[str] = []
    cautions = list(filter(None, [describe_warmup(run.config)]))
    try:
        config = restore.load_checked_config(run.workdir, root)
        data = restore.reopen_data(config)
    except (ValueError, FileNotFoundError) as error:
        notes.append(f"{_WITHOUT} {error} If the data set moved, give --root.")
        tqdm.write(printable(notes[-1]), file=sys.stderr)
    else:
        recorded = read_classes(run.workdir)
        classes = check_same_classes(recorded, data, run.workdir)
        run = run._replace(class_names=classes.names)
        if images == 0:
            notes.append(f"{_WITHOUT} --images 0.")
        else:
            result = _evaluate(run.workdir, data, images, root, notes)
        cautions += _describe_val(data, result)
    return build_run_page(run, result, notes, cautions)


def _describe_val(data: DataSet, result: ValResult | None) -> list[str]:
    """Why the scores on val may mislead, as it was said before training."""
    counts = [1] * len(data.class_names)  # Not known: none is called absent.
    if result is not None:
        confusion = next(iter(result.confusions.values()))
        counts = confusion.sum(1).tolist()
    return class_counts.describe_val(data, counts)


def write_report(
    workdirs: list[pathlib.Path],
    out: pathlib.Path | None = None,
    *,
    images: int = IMAGES,
    root: str | None = None,
) -> pathlib.Path:
    """Writes the page of one run, or the comparison of several.

    Args:
      workdirs: see `build_page`; the folder of a sweep stands for its runs.
      out: the file; None: report.html, or comparison.html for several runs,
        in the first folder.
      images: see `build_page`.
      root: see `build_page`.

    Returns:
      the file.

    Raises:
      FileNotFoundError, ValueError: see `build_page`; or the file cannot be
        written there. Nothing is scored then.
      PermissionError: this user may not write there.
    """
    runs = list_workdirs(workdirs)
    if out is None:
        name = "report.html" if len(runs) == 1 else "comparison.html"
        out = workdirs[0] / name
    _check_out(out, workdirs[0])
    text = build_page(runs, images=images, root=root)
    with atomic.replace_file(out) as partial:
        partial.write_text(printable(text), encoding="utf-8")
    return out


def _check_out(out: pathlib.Path, workdir: pathlib.Path) -> None:
    folder = out.absolute().parent
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder: name a file in it.")
    if not folder.is_dir():
        if folder == workdir.absolute():
            load_run_config(workdir)  # says that there is no such run.
        raise ValueError(
            f"The folder of --out {out} does not exist: make {folder}, or "
            "name another file."
        )
    atomic.require_writable(out, "--out")


def _evaluate(
    workdir: pathlib.Path,
    data: DataSet,
    images: int,
    root: str | None,
    notes: list[str],
) -> ValResult | None:
    """Scores the networks on val; None where a note says why not."""
    try:
        trained = _restore(workdir, root)
    except (ValueError, FileNotFoundError) as error:
        notes.append(f"{_WITHOUT} {error}")
        tqdm.write(printable(notes[-1]), file=sys.stderr)
        return None
    with tqdm(total=len(data.val), unit="image", desc="scoring val") as bar:
        result = evaluate_val(trained, data, images, bar.update)
    notes += [f"Left out of val: {sentence}" for sentence in result.bad]
    return result


def _restore(workdir: pathlib.Path, root: str | None) -> restore.Trained:
    """The best checkpoint, or the last where none was scored yet."""
    try:
        return restore.restore_networks(workdir, "best", root)
    except FileNotFoundError:
        return restore.restore_networks(workdir, "last", root)
