"""What a term changes, from pairs of runs: docs/ablation.md's second study.

python -m benchmarks.paired_study docs/ablation/confirm.csv --host host \
    --arm channel --pairs 32 --figure docs/paired_study.svg

Prints the pooled mean difference with its interval, each cell's, and every
seed. A cell is a data set with a number of labels.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmarks import paired_figure
from benchmarks.paired_runs import Pair, cells_of, find_pairs, read_rows

SCORES = ("test_last", "test_best", "val_last", "val_best")
_CLAIM = 0.5  # points that the paper is ahead of what it compares with


class Summary(NamedTuple):
    """Paired differences in points.

    Attributes:
      count: pairs.
      mean, deviation: of the differences; the deviation is the sample's.
      low, high: the ends of Student's t interval of the mean.
      t, wilcoxon: two-sided p values of the t-test and of Wilcoxon's
        signed-rank test that the differences lie around 0.
    """

    count: int
    mean: float
    deviation: float
    low: float
    high: float
    t: float
    wilcoxon: float


def summarise(differences: Sequence[float], confidence: float) -> Summary:
    """Mean, interval and p values of at least two paired differences."""
    values = np.asarray(differences, np.float64)
    count = len(values)
    if count < 2:
        raise ValueError("An interval needs two pairs at least.")
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    error = deviation / count**0.5
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    if error > 0:
        t = float(2 * stats.t.sf(abs(mean / error), count - 1))
    else:
        t = 0.0 if mean else 1.0
    ends = (mean - half, mean + half)
    return Summary(count, mean, deviation, *ends, t, _rank_p(values))


def _rank_p(values: np.ndarray) -> float:
    """Wilcoxon's p value; differences of 0 count for neither side."""
    if not values.any():
        return 1.0
    return float(stats.wilcoxon(values).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979), in the given order."""
    order = np.argsort(p_values)
    corrected, largest = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(order) - rank) * p_values[place])
        corrected[place] = min(largest, 1.0)
    return corrected


def verdict(summary: Summary) -> str:
    """What the protocol calls an interval."""
    if summary.low > 0:
        words = "helps"
    elif summary.high < 0:
        words = "harms"
    else:
        words = "neither helps nor harms beyond doubt"
    if summary.high < _CLAIM:
        return f"{words}; excludes +{_CLAIM}"
    return words if summary.low > 0 else f"{words}; inconclusive"


def markdown(
    arm: str, pairs: Sequence[Pair], confidence: float
) -> tuple[str, list[paired_figure.Bar]]:
    """A table of all pairs and of each cell's, and the same as bars."""
    lines = [
        f"| {arm} | pairs | host | difference | {100 * confidence:g} % "
        "interval | deviation | p (t) | p (Wilcoxon) | by seed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    bars = []
    for name, group in [("all pairs", pairs), *cells_of(pairs).items()]:
        found = summarise([p.difference for p in group], confidence)
        seeds = ", ".join(f"{p.seed}: {p.difference:+.2f}" for p in group)
        lines.append(
            f"| {name} | {found.count} "
            f"| {np.mean([p.host for p in group]):.2f} "
            f"| {found.mean:+.2f} | {found.low:+.2f} to {found.high:+.2f} "
            f"| {found.deviation:.2f} | {found.t:.3f} | {found.wilcoxon:.3f} "
            f"| {'' if name == 'all pairs' else seeds} |"
        )
        label = f"{arm}: {name}"
        bars.append(paired_figure.Bar(label, found.mean, found.low, found.high))
    return "\n".join(lines), bars


def study(args: argparse.Namespace) -> str:
    """The printed text of a study; writes its figure where one is asked for.

    Raises:
      ValueError, OSError: one sentence on what is wrong.
    """
    rows = read_rows(args.csv, args.score)
    texts, pooled, bars = [], [], []
    for arm in args.arm:
        pairs, alone = find_pairs(rows, args.host, arm)
        wanted = args.pairs or max(len(pairs), 2)
        if len(pairs) != wanted:
            raise ValueError(
                f"{arm} has {len(pairs)} pairs with {args.host}, not {wanted};"
                f" without a partner: {', '.join(alone) or 'none'}."
            )
        table, drawn = markdown(arm, pairs, args.confidence)
        texts.append(table)
        if alone:
            texts.append(f"Without a partner: {', '.join(alone)}.")
        differences = [pair.difference for pair in pairs]
        pooled.append(summarise(differences, args.confidence))
        texts.append(f"{arm}: {verdict(pooled[-1])}.")
        bars += drawn
    if len(pooled) > 1:
        corrected = holm([found.wilcoxon for found in pooled])
        shown = zip(args.arm, corrected, strict=True)
        words = ", ".join(f"{arm} {p:.3f}" for arm, p in shown)
        texts.append(f"p (Wilcoxon), corrected by Holm's method: {words}.")
    if args.figure:
        axis = f"mIoU on {args.score.partition('_')[0]} less the host's, points"
        text = paired_figure.svg(bars, f"{axis}, {100 * args.confidence:g} %")
        args.figure.write_text(text, encoding="utf-8")
    return "\n\n".join(texts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paired_study",
        description="What a term changes, from pairs of runs.",
    )
    parser.add_argument("csv", nargs="+", type=pathlib.Path, help="of runs")
    parser.add_argument("--host", required=True, help="arm without the term")
    parser.add_argument(
        "--arm", action="append", required=True, help="with it; repeatable"
    )
    parser.add_argument("--score", choices=SCORES, default=SCORES[0])
    parser.add_argument("--pairs", type=int, help="how many there must be")
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--figure", type=pathlib.Path, help="SVG to write")
    return parser


if __name__ == "__main__":
    try:
        print(study(_parser().parse_args()))
    except (ValueError, OSError) as error:
        sys.exit(f"benchmarks.paired_study: {error}")
