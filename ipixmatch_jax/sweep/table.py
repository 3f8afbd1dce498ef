"""The table of a sweep: means, deviations and a paired test."""

import csv
import io
import pathlib
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import scipy.stats

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
      values: of the fields that the row sets, as text.
      results: results.json of the finished runs, by seed.
      notes: a sentence per run that is missing, which says why.
    """

    values: tuple[str, ...]
    results: dict[int, dict]
    notes: list[str]


class Summary(NamedTuple):
    """The mIoU of one row in percent, and its difference to the first row.

    Attributes:
      by_seed: the mIoU of each seed.
      mean: over seeds; None without any.
      deviation: the sample standard deviation; None with fewer than 2 seeds.
      difference: this row minus the first, mean over the pairs; None
        without a pair.
      pairs: seeds that both rows have.
      p: see paired_p.
    """

    by_seed: dict[int, float]
    mean: float | None
    deviation: float | None
    difference: float | None
    pairs: int
    p: float | None


def paired_p(differences: Sequence[float]) -> float | None:
    """Two-sided p value of Student's paired t-test (Student, 1908).

    If the differences came from a normal distribution with mean 0, this is
    the probability of a mean at least as far from 0 as theirs.

    Args:
      differences: one per pair.

    Returns:
      p; None with fewer than two pairs, or if all are equal.
    """
    if len(differences) < 2 or min(differences) == max(differences):
        return None
    return float(scipy.stats.ttest_1samp(differences, 0).pvalue)


def summarise_row(scores: dict[int, float], first: dict[int, float]) -> Summary:
    """Summarises a row; both arguments are mIoU by seed."""
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


def summarise_columns(rows: list[Row]) -> dict[tuple[str, str], list[Summary]]:
    """(checkpoint, set) -> a summary per row, for sets with scores."""
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
            column = [summarise_row(score, scores[0]) for score in scores]
            table[which, subset] = column
    return table


def format_markdown(fields: Sequence[str], rows: list[Row]) -> str:
    """One line per row, `mean ± deviation (difference, p)`, then the notes."""
    columns = summarise_columns(rows)
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


def format_csv(fields: Sequence[str], rows: list[Row]) -> str:
    """One line per row, checkpoint and set; each seed's mIoU comes last."""
    columns = summarise_columns(rows)
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


def write_table(
    folder: pathlib.Path, fields: Sequence[str], rows: list[Row]
) -> None:
    """Writes sweep.csv and sweep.md, each whole or not at all."""
    texts = {
        "sweep.csv": format_csv(fields, rows),
        "sweep.md": format_markdown(fields, rows),
    }
    for name, text in texts.items():
        with atomic.replace_file(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
