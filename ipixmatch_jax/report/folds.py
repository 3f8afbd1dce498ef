"""Runs of one config on the folds of its labelled images: mean and spread."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from ipixmatch_jax.report.document import Section
from ipixmatch_jax.report.run_files import Run
from ipixmatch_jax.report.run_summary import find_best, find_iou
from ipixmatch_jax.report.tables import plain_table
from ipixmatch_jax.report.templating import paragraph

# What differs between the folds of one config: the fold, and what is measured
# on its training images.
_OF_FOLD = (
    "data.fold",
    "data.range",
    "data.mean",
    "data.std",
    "loss.class_weights",
)
_HEAD = ("", "mean", "deviation", "lowest", "highest")


class Folds(NamedTuple):
    """The runs of one config, each scored on another fold.

    Attributes:
      folds: how many there are.
      runs: by fold, in order; those that have been scored.
    """

    folds: int
    runs: dict[int, Run]


class Spread(NamedTuple):
    """A score over folds, in percent; the deviation is the sample's."""

    mean: float
    deviation: float
    lowest: float
    highest: float


def find_folds(runs: Sequence[Run]) -> list[Folds]:
    """The runs that differ in their fold alone; of two or more folds.

    Runs of two seeds are two groups. A group in which a fold comes twice is
    left out, because its runs differ in more than the fold.
    """
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        if run.config.get("data.folds") and find_best(run) is not None:
            fixed = {k: v for k, v in run.config.items() if k not in _OF_FOLD}
            groups.setdefault(tuple(sorted(fixed.items())), []).append(run)
    found = []
    for group in groups.values():
        by_fold = {run.config["data.fold"]: run for run in group}
        if 1 < len(by_fold) == len(group):
            ordered = dict(sorted(by_fold.items()))
            found.append(Folds(group[0].config["data.folds"], ordered))
    return found


def measure_spread(values: Sequence[float]) -> Spread:
    """Mean, sample deviation and range of two or more scores."""
    return Spread(
        statistics.fmean(values),
        statistics.stdev(values),
        min(values),
        max(values),
    )


def folds_section(runs: Sequence[Run]) -> Section | None:
    """A table per config: the spread of mIoU and of the IoU of each class."""
    groups = find_folds(runs)
    if not groups:
        return None
    body = paragraph(
        "The best evaluation of each run on its own fold, in percent. It is "
        "chosen on that fold, and so a little high. A class that no image of "
        "a fold shows has an IoU of 0 there."
    )
    for group in groups:
        body += _group_table(group)
    return Section("folds", "Folds", body)


def _group_table(group: Folds) -> Markup:
    runs = list(group.runs.values())
    best = {run.name: find_best(run) for run in runs}
    scores = [one.miou for one in best.values() if one is not None]
    rows = [("mIoU", *_cells(scores))]
    ious = [find_iou(run, one) for run in runs if (one := best[run.name])]
    if ious and all(len(one) == len(ious[0]) > 0 for one in ious):
        names = runs[0].names(len(ious[0]))
        by_class = zip(names, zip(*ious, strict=True), strict=True)
        rows += [(name, *_cells(values)) for name, values in by_class]
    folds = ", ".join(map(str, group.runs))
    listed = ", ".join(run.name for run in runs)
    said = f"Folds {folds} of {group.folds}: {listed}."
    absent = [k for k in range(group.folds) if k not in group.runs]
    if absent:
        said += f" Without a score: {', '.join(map(str, absent))}."
    return paragraph(said) + plain_table(_HEAD, rows, "Spread over folds")


def _cells(values: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{number:.1f}" for number in measure_spread(values))
