"""Draws what benchmarks/label_rounds.py measured:

python -m benchmarks.label_rounds_figure ROUNDS.csv --out ROUNDS.svg

Prints the mean over seeds at each number of labels and over all rounds, and
draws the difference of every arm to the random one, paired over seeds, with its
95 % interval.
"""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Sequence

from benchmarks.label_rounds import FIRST, read_rows
from benchmarks.paired_figure import Bar, svg
from ipixmatch_jax.sweep.paired import compare_pairs, paired_differences
from ipixmatch_jax.utils.atomic import write_file

SCORE = "val_last"
BASE = "random"

ROUNDS = 0  # In place of a number of labels: the mean over all rounds.

# (start, arm, labels) -> seed -> mIoU in percent.
Scores = dict[tuple[str, str, int], dict[int, float]]


def read_scores(path: pathlib.Path, column: str = SCORE) -> Scores:
    """The scores of a CSV.

    Raises:
      ValueError: it has no rows, or a row has no such score.
    """
    scores: Scores = {}
    rows = read_rows(path)
    if not rows:
        raise ValueError(f"{path} has no rows yet.")
    for row in rows:
        if not row.get(column):
            raise ValueError(f"{path} has a row without {column}.")
        key = row["start"], row["arm"], int(row["labels"])
        scores.setdefault(key, {})[int(row["seed"])] = float(row[column])
    return scores


def add_means(scores: Scores) -> Scores:
    """Adds each arm's mean over the rounds, of the seeds that have them all."""
    means: Scores = {}
    for start, arm in {key[:2] for key in scores if key[1] != FIRST}:
        rounds = [
            found for key, found in scores.items() if key[:2] == (start, arm)
        ]
        seeds = set.intersection(*(set(found) for found in rounds))
        if seeds:
            means[start, arm, ROUNDS] = {
                seed: statistics.fmean(found[seed] for found in rounds)
                for seed in sorted(seeds)
            }
    return scores | means


def _name(labels: int) -> str:
    return "all rounds" if labels == ROUNDS else f"{labels} labels"


def format_table(scores: Scores) -> str:
    """A line per start, arm and number of labels."""
    lines = ["| start | arm | labels | seeds | mIoU |", "|---|---|---|---|---|"]
    for (start, arm, labels), by_seed in sorted(scores.items()):
        values = list(by_seed.values())
        cell = f"{statistics.fmean(values):.2f}"
        if len(values) > 1:
            cell += f" ± {statistics.stdev(values):.2f}"
        shown = _name(labels).removesuffix(" labels")
        lines.append(f"| {start} | {arm} | {shown} | {len(values)} | {cell} |")
    return "\n".join(lines)


def differences(scores: Scores) -> list[Bar]:
    """Each arm's difference to the random one, by start and labels.

    Those with fewer than two seeds, or with equal differences, have no
    interval and are left out.
    """
    bars = []
    for (start, arm, labels), by_seed in sorted(
        scores.items(), key=lambda item: (item[0][0], item[0][2], item[0][1])
    ):
        if arm in (BASE, FIRST):
            continue
        found = paired_differences(
            by_seed, scores.get((start, BASE, labels), {})
        )
        if len(found) < 2:
            continue
        paired = compare_pairs(found)
        if paired.low is not None and paired.high is not None:
            name = f"{arm}, {_name(labels)}, {start}"
            bars.append(Bar(name, paired.mean, paired.low, paired.high))
    return bars


def main(words: Sequence[str] | None = None) -> None:
    """Prints the table and writes the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("csv", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--score", default=SCORE)
    args = parser.parse_args(words)
    try:
        scores = add_means(read_scores(args.csv, args.score))
    except ValueError as error:
        sys.exit(f"benchmarks.label_rounds_figure: {error}")
    print(format_table(scores))
    bars = differences(scores)
    if args.out is None:
        return
    if not bars:
        sys.exit(
            "benchmarks.label_rounds_figure: no arm has two seeds in common "
            f"with {BASE}, so there is no interval to draw."
        )
    axis = f"mIoU less that of the {BASE} choice, points ({args.score})"
    write_file(args.out, svg(bars, axis).encode())
    print(args.out)


if __name__ == "__main__":
    main()
