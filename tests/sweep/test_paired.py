"""Paired comparisons against published numbers and slow counts."""

import itertools
import math

import numpy as np
import pytest
import scipy

from ipixmatch_jax.sweep.paired import compare_pairs, paired_differences

# Student's own data (1908): hours of sleep won by ten patients, drug 2 less
# drug 1. R's t.test documents t = 4.0621, p = 0.002833 and the interval.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
# Hamilton's depression scale of nine patients before and after (Hollander
# and Wolfe, 1973). R's wilcox.test documents V = 40, one-sided p = 0.01953.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def signed_rank_p(differences):
    """Wilcoxon's p by trying every combination of signs."""
    moved = [d for d in differences if d != 0]
    ranks = scipy.stats.rankdata(np.abs(moved))
    middle = ranks.sum() / 2
    seen = abs(sum(r for r, d in zip(ranks, moved, strict=True) if d > 0))
    sums = [
        sum(r for r, up in zip(ranks, signs, strict=True) if up)
        for signs in itertools.product((0, 1), repeat=len(moved))
    ]
    extreme = [abs(s - middle) >= abs(seen - middle) - 1e-9 for s in sums]
    return sum(extreme) / len(extreme)


def test_students_sleep_data():
    found = compare_pairs(SLEEP)
    assert found.pairs == 10
    np.testing.assert_allclose(found.mean, 1.58)
    np.testing.assert_allclose(found.p_t, 0.002833, atol=1e-6)
    np.testing.assert_allclose(
        [found.low, found.high], [0.7001142, 2.4598858], atol=1e-7
    )
    less = compare_pairs([-d for d in SLEEP])
    assert (less.p_t, less.p_wilcoxon) == (found.p_t, found.p_wilcoxon)
    assert (less.low, less.high) == (-found.high, -found.low)


def test_hollander_and_wolfes_depression_data():
    differences = [a - b for a, b in zip(AFTER, BEFORE, strict=True)]
    p = compare_pairs(differences).p_wilcoxon
    np.testing.assert_allclose(p, 2 * 0.01953, atol=1e-5)
    np.testing.assert_allclose(p, signed_rank_p(differences))


@pytest.mark.parametrize(
    "differences",
    [
        [1.0, -2.0, 3.0, 4.0, 5.0],  # 2 * 3 of 32 signs, by hand
        [0.4, 0.0, -0.1, 0.7, 0.0, 1.3],
        [0.5, 0.5, -0.5, 1.0, 2.0, 2.0],
        [0.3, -0.2, 0.9],
    ],
)
def test_signs_are_counted_exactly_with_zeros_and_ties(differences):
    p = compare_pairs(differences).p_wilcoxon
    np.testing.assert_allclose(p, signed_rank_p(differences))


@pytest.mark.parametrize("t", [0.01, 0.5, 3.0, 60.0])
def test_p_values_of_two_and_three_pairs_in_closed_form(t):
    # Two pairs m - h, m + h have t = m / h, one degree of freedom (Cauchy).
    p = compare_pairs([t - 1, t + 1]).p_t
    np.testing.assert_allclose(p, 1 - 2 / math.pi * math.atan(t), rtol=1e-4)
    # Three m - h, m, m + h have t = sqrt(3) m / h, two degrees of freedom.
    h = math.sqrt(3)
    p = compare_pairs([t - h, t, t + h]).p_t
    np.testing.assert_allclose(p, 1 - t / math.sqrt(2 + t * t), rtol=1e-3)


def test_an_interval_by_hand():
    # Deviation sqrt(5/3) = 1.290994; a t table has 3.182446 for 3 degrees of
    # freedom at 97.5 %; half = 3.182446 * 1.290994 / 2.
    found = compare_pairs([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.deviation == pytest.approx(1.290994, abs=1e-6)
    assert found.low == pytest.approx(2.5 - 2.054260, abs=1e-5)
    assert found.high == pytest.approx(2.5 + 2.054260, abs=1e-5)
    # t = 2.5 / 0.645497 = 3.872983; all 16 signs but two are less extreme.
    assert found.p_t == pytest.approx(0.030466, abs=1e-5)
    assert found.p_wilcoxon == 2 / 16
    # 4.176535 for 3 degrees of freedom at 98.75 %, of two finalists.
    wide = compare_pairs([1.0, 2.0, 3.0, 4.0], 0.975)
    assert wide.low == pytest.approx(2.5 - 4.176535 * 0.645497, abs=1e-4)


def test_one_pair_and_equal_pairs_have_no_interval():
    assert compare_pairs([1.5]) == (1, 1.5, None, None, None, None, None)
    # Both signs agree in two of the four combinations.
    assert compare_pairs([2.0, 2.0]) == (2, 2.0, 0.0, None, None, None, 0.5)
    assert compare_pairs([0.0, 0.0]) == (2, 0.0, 0.0, None, None, None, 1.0)


def test_seeds_of_one_side_are_left_out():
    assert paired_differences({0: 3.0, 1: 5.0, 7: 1.0}, {1: 4.0, 0: 1.0}) == [
        2.0,
        1.0,
    ]
