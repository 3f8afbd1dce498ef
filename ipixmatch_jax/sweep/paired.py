"""What paired differences say: mean, interval and two tests."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy  # loads scipy.stats, half a second, where it is first used


class Paired(NamedTuple):
    """Paired differences, in their own unit.

    Attributes:
      pairs: their number.
      mean: of the differences.
      deviation: of the sample; None with one pair.
      low, high: the ends of Student's t interval of the mean; None with one
        pair, or if all differences are equal.
      p_t: two-sided p value of Student's paired t-test (Student, 1908); None
        where the interval is.
      p_wilcoxon: two-sided p value of the signed-rank test (Wilcoxon, 1945);
        differences of 0 count for neither side; None with one pair.
    """

    pairs: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    p_t: float | None
    p_wilcoxon: float | None


def paired_differences(
    scores: Mapping[int, float], first: Mapping[int, float]
) -> list[float]:
    """`scores` less `first`, for each seed that both have."""
    return [scores[seed] - first[seed] for seed in scores if seed in first]


def compare_pairs(
    differences: Sequence[float], confidence: float = 0.95
) -> Paired:
    """Mean, interval and p values of paired differences.

    Args:
      differences: one per pair; at least one.
      confidence: of the interval, between 0 and 1.
    """
    values = np.asarray(differences, np.float64)
    count, mean = len(values), float(values.mean())
    if count < 2:
        return Paired(count, mean, None, None, None, None, None)
    p_wilcoxon = _signed_rank_p(values)
    if values.min() == values.max():
        return Paired(count, mean, 0.0, None, None, None, p_wilcoxon)
    test = scipy.stats.ttest_1samp(values, 0)
    low, high = map(float, test.confidence_interval(confidence))
    deviation = float(values.std(ddof=1))
    p_t = float(test.pvalue)
    return Paired(count, mean, deviation, low, high, p_t, p_wilcoxon)


def _signed_rank_p(values: np.ndarray) -> float:
    # Without the zeros scipy counts the signs of few pairs exactly.
    moved = values[values != 0]
    if not moved.size:
        return 1.0
    return float(scipy.stats.wilcoxon(moved).pvalue)
