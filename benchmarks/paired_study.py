"""What a term changes, from pairs of runs: docs/ablation.md's second study.

python -m benchmarks.paired_study docs/ablation/confirm.csv --host host \
    --arm "cell 6=channel/correlation" --pairs 44 --figure docs/paired_study.svg

Prints the pooled mean difference with its interval, each cell's, and every
seed. A cell is a data set with a number of labels.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks import paired_figure
from benchmarks.paired_runs import Pair, cells_of, find_pairs, read_rows
from ipixmatch_jax.sweep.paired import Paired, compare_pairs

SCORES = ("test_last", "test_best", "val_last", "val_best")
_CLAIM = 0.5  # points that the paper is ahead of what it compares with


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979), in the given order."""
    order = np.argsort(p_values)
    corrected, largest = [0.0] * len(order), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(order) - rank) * p_values[place])
        corrected[place] = min(largest, 1.0)
    return corrected


def verdict(low: float, high: float) -> str:
    """What the protocol calls an interval with these ends."""
    if low > 0:
        words = "helps"
    elif high < 0:
        words = "harms"
    else:
        words = "neither helps nor harms beyond doubt"
    if high < _CLAIM:
        return f"{words}; excludes +{_CLAIM}"
    return words if low > 0 else f"{words}; inconclusive"


def markdown(
    arm: str, pairs: Sequence[Pair], confidence: float
) -> tuple[str, list[paired_figure.Bar]]:
    """A table of all pairs and of each cell's, and the same as bars.

    A cell without an interval has no bar.
    """
    lines = [
        f"| {arm} | pairs | host | difference | {100 * confidence:g} % "
        "interval | deviation | p (t) | p (Wilcoxon) | by seed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    bars = []
    for name, group in [("all pairs", pairs), *cells_of(pairs).items()]:
        found = compare_pairs([p.difference for p in group], confidence)
        host = float(np.mean([p.host for p in group]))
        seeds = ", ".join(f"{p.seed}: {p.difference:+.2f}" for p in group)
        shown = [*_columns(found, host), "" if group is pairs else seeds]
        lines.append(f"| {name} | {' | '.join(shown)} |")
        if found.low is not None and found.high is not None:
            bars.append(
                paired_figure.Bar(
                    f"{arm}: {name}", found.mean, found.low, found.high
                )
            )
    return "\n".join(lines), bars


def _columns(found: Paired, host: float) -> list[str]:
    """What a line of the table says between its name and its seeds."""
    interval = "-"
    if found.low is not None and found.high is not None:
        interval = f"{found.low:+.2f} to {found.high:+.2f}"
    spread = (
        "-" if number is None else f"{number:.{digits}f}"
        for number, digits in (
            (found.deviation, 2),
            (found.p_t, 3),
            (found.p_wilcoxon, 3),
        )
    )
    pairs, mean = str(found.pairs), f"{found.mean:+.2f}"
    return [pairs, f"{host:.2f}", mean, interval, *spread]


def study(args: argparse.Namespace) -> str:
    """The printed text of a study; writes its figure where one is asked for.

    Raises:
      ValueError, OSError: one sentence on what is wrong.
    """
    rows = read_rows(args.csv, args.score)
    texts, pooled, bars = [], [], []
    names = []
    for given in args.arm:
        name, _, words = given.partition("=")
        arm = words or name
        names.append(arm)
        pairs, alone = find_pairs(rows, args.host, name)
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
        found = compare_pairs([p.difference for p in pairs], args.confidence)
        if found.low is None or found.high is None:
            raise ValueError(
                f"{arm} differs from {args.host} by {found.mean:+.2f} in every "
                "pair, so there is no interval: see whether the arm's term "
                "was switched on."
            )
        pooled.append(found.p_wilcoxon)
        texts.append(f"{arm}: {verdict(found.low, found.high)}.")
        bars += drawn
    if len(pooled) > 1:
        corrected = holm(pooled)
        shown = zip(names, corrected, strict=True)
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
        "--arm",
        action="append",
        required=True,
        help="NAME or NAME=WORDS: with it, and how it is called; repeatable",
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
