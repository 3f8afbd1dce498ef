"""The table of a sweep: means, deviations and paired comparisons."""

import csv
import io
import pathlib
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from ipixmatch_jax.sweep.paired import (
    Paired,
    compare_pairs,
    paired_differences,
)
from ipixmatch_jax.utils import atomic

# (checkpoint, set), as results.json names them.
_COLUMNS = (
    ("best", "val"),
    ("best", "test"),
    ("last", "val"),
    ("last", "test"),
)
# After the fields; the mIoU of each seed follows.
_CSV_HEAD = (
    "checkpoint",
    "set",
    "seeds",
    "mean",
    "deviation",
    "difference",
    "low",
    "high",
    "pairs",
    "p_t",
    "p_wilcoxon",
    "notes",
)
_LEGEND = (
    "mIoU in percent: mean over seeds ± sample standard deviation (mean "
    "difference to the first row, paired over seeds [its 95 % interval from "
    "Student's t], two-sided p of the paired t-test / of Wilcoxon's "
    "signed-rank test; not corrected for the number of rows)."
)


class Row(NamedTuple):
    """One row of a sweep.

    Attributes:
      values: of the fields that the row sets, as text.
      results: results.json of the finished runs, by seed.
      notes: sentences on the runs that are missing, which say why.
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
      paired: this row less the first, over the seeds that both have; None
        without a pair, and for the first row.
    """

    by_seed: dict[int, float]
    mean: float | None
    deviation: float | None
    paired: Paired | None


def summarise_row(scores: dict[int, float], first: dict[int, float]) -> Summary:
    """Summarises a row; both arguments are mIoU by seed."""
    values = list(scores.values())
    differences = paired_differences(scores, first)
    compared = bool(differences) and scores is not first
    return Summary(
        by_seed=scores,
        mean=statistics.fmean(values) if values else None,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        paired=compare_pairs(differences) if compared else None,
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
    """One line per row, see `_LEGEND`, then the notes."""
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
    text += ["", _LEGEND]
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
    return text + _compared(summary.paired)


def _compared(paired: Paired | None) -> str:
    if paired is None:
        return ""
    text = f"{paired.mean:+.1f}"
    if paired.low is not None and paired.high is not None:
        text += f" [{paired.low:+.1f}, {paired.high:+.1f}]"
    if paired.p_wilcoxon is not None:
        t = "-" if paired.p_t is None else f"{paired.p_t:.2g}"
        text += f", p {t} / {paired.p_wilcoxon:.2g}"
    return f" ({text})"


def format_csv(fields: Sequence[str], rows: list[Row]) -> str:
    """One line per row, checkpoint and set; each seed's mIoU comes last."""
    columns = summarise_columns(rows)
    seeds = sorted({seed for row in rows for seed in row.results})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    by_seed = [f"miou_seed_{seed}" for seed in seeds]
    writer.writerow([*fields, *_CSV_HEAD, *by_seed])
    for (which, subset), column in columns.items():
        for row, s in zip(rows, column, strict=True):
            numbers = [s.mean, s.deviation, *_numbers(s.paired)]
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


def _numbers(paired: Paired | None) -> list[float | None]:
    """The columns of the CSV from `difference` to `p_wilcoxon`."""
    if paired is None:
        return [None, None, None, 0, None, None]
    return [
        paired.mean,
        paired.low,
        paired.high,
        paired.pairs,
        paired.p_t,
        paired.p_wilcoxon,
    ]


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
