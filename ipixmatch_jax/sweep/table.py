"""The table of a sweep: mean, deviation and a paired test, CSV and Markdown."""

import csv
import io
import math
import pathlib
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from jax.scipy.special import betainc

from ipixmatch_jax.utils import atomic

# (checkpoint, set), as results.json names them.
_COLUMNS = (
    ("best", "val"),
    ("best", "test"),
    ("last", "val"),
    ("last", "test"),
)


class Row(NamedTuple):
    """One row of a sweep.

    Attributes:
      values: of the fields that name the row.
      results: results.json by seed, of the runs that ended.
      notes: why other seeds are not among them, a sentence each.
    """

    values: tuple[str, ...]
    results: dict[int, dict]
    notes: list[str]


class Summary(NamedTuple):
    """One row's mIoU, in percent, and its distance to the first row's.

    Attributes:
      by_seed: the mIoU of each seed.
      mean: over seeds; None without any.
      deviation: the sample standard deviation; None with fewer than 2 seeds.
      difference: mean over the pairs, this row less the first; None without
        a pair.
      pairs: seeds that both rows have.
      p: of paired_p; None where there is none.
    """

    by_seed: dict[int, float]
    mean: float | None
    deviation: float | None
    difference: float | None
    pairs: int
    p: float | None


def paired_p(differences: Sequence[float]) -> float | None:
    """Two-sided p of Student's paired t-test (Student, 1908).

    The chance of a mean as far from 0 as that of the differences, were they
    drawn from a normal distribution around 0.

    Args:
      differences: one per pair.

    Returns:
      p; None with fewer than two pairs, or if all are equal.
    """
    n = len(differences)
    if n < 2 or min(differences) == max(differences):
        return None
    error = statistics.stdev(differences) / math.sqrt(n)
    t = statistics.fmean(differences) / error
    # The tails of Student's t as an incomplete beta function.
    return float(betainc((n - 1) / 2, 0.5, (n - 1) / (n - 1 + t * t)))


def summary(scores: dict[int, float], first: dict[int, float]) -> Summary:
    """What the table says of one row; both arguments are mIoU by seed."""
    values = list(scores.values())
    differences = [scores[s] - first[s] for s in scores if s in first]
    own = scores is first
    return Summary(
        by_seed=scores,
        mean=statistics.fmean(values) if values else None,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        difference=(
            statistics.fmean(differences) if differences and not own else None
        ),
        pairs=0 if own else len(differences),
        p=None if own else paired_p(differences),
    )


def summaries(rows: list[Row]) -> dict[tuple[str, str], list[Summary]]:
    """(checkpoint, set) -> a summary per row; sets without scores are out."""
    table = {}
    for which, subset in _COLUMNS:
        scores = [
            {
                seed: result[which][subset]["miou"]
                for seed, result in row.results.items()
                if subset in result[which]
            }
            for row in rows
        ]
        if any(scores):
            column = [summary(score, scores[0]) for score in scores]
            table[which, subset] = column
    return table


def markdown(fields: Sequence[str], rows: list[Row]) -> str:
    """One line per row, `mean ± deviation (difference, p)`, then the notes."""
    columns = summaries(rows)
    heads = [f"{which} on {subset}" for which, subset in columns]
    lines = [[*fields, "seeds", *heads]]
    for i, row in enumerate(rows):
        cells = [_cell(column[i]) for column in columns.values()]
        lines.append([*row.values, str(len(row.results)), *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    text += [
        "",
        "mIoU in percent: mean over seeds ± sample standard deviation (mean "
        "difference to the first row, two-sided p of a t-test paired over "
        "seeds; not corrected for the number of rows).",
    ]
    notes = [note for row in rows for note in row.notes]
    if notes:
        text += ["", *(f"- {note}" for note in notes)]
    return "\n".join(text) + "\n"


def _cell(summary: Summary) -> str:
    if summary.mean is None:
        return "-"
    text = f"{summary.mean:.1f}"
    if summary.deviation is not None:
        text += f" ± {summary.deviation:.1f}"
    if summary.difference is None:
        return text
    p = "" if summary.p is None else f", p {summary.p:.2g}"
    return f"{text} ({summary.difference:+.1f}{p})"


def comma_separated(fields: Sequence[str], rows: list[Row]) -> str:
    """One line per row, checkpoint and set, the seeds' own mIoU last."""
    columns = summaries(rows)
    seeds = sorted({seed for row in rows for seed in row.results})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    head = "checkpoint set seeds mean deviation difference pairs p notes"
    by_seed = [f"miou_seed_{seed}" for seed in seeds]
    writer.writerow([*fields, *head.split(), *by_seed])
    for (which, subset), column in columns.items():
        for row, s in zip(rows, column, strict=True):
            numbers = [s.mean, s.deviation, s.difference, s.pairs, s.p]
            writer.writerow(
                [
                    *row.values,
                    which,
                    subset,
                    len(s.by_seed),
                    *(_exact(number) for number in numbers),
                    " ".join(row.notes),
                    *(_exact(s.by_seed.get(seed)) for seed in seeds),
                ]
            )
    return file.getvalue()


def _exact(number: float | None) -> str:
    return "" if number is None else f"{number:.7g}"


def write(folder: pathlib.Path, fields: Sequence[str], rows: list[Row]) -> None:
    """Writes sweep.csv and sweep.md; a reader finds old or new, whole."""
    texts = {
        "sweep.csv": comma_separated(fields, rows),
        "sweep.md": markdown(fields, rows),
    }
    for name, text in texts.items():
        with atomic.replacing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
