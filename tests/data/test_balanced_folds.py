"""Folds that are balanced by the classes of their images."""

from fractions import Fraction

import numpy as np
import pytest

from ipixmatch_jax.data.balanced_folds import balance_folds
from ipixmatch_jax.data.hold_out import HoldOut, hold_out


def slow_folds(classes, folds):
    """Algorithm 1 of Sechidis et al., line by line, with full folds closed."""
    data = list(range(len(classes)))
    labels = sorted({label for one in classes for label in one})
    desired = [Fraction(len(data), folds) for _ in range(folds)]
    desired_of = {
        i: [Fraction(sum(i in one for one in classes), folds)] * folds
        for i in labels
    }
    parts = [[] for _ in range(folds)]

    def is_open(j):
        each, larger = divmod(len(classes), folds)
        full = [part for part in parts if len(part) == each + 1]
        return len(parts[j]) < each or (
            len(parts[j]) == each and len(full) < larger
        )

    def deal(example, wishes):
        folds_left = [j for j in range(folds) if is_open(j)]
        best = max(wishes[j] for j in folds_left)
        folds_left = [j for j in folds_left if wishes[j] == best]
        most = max(desired[j] for j in folds_left)
        m = next(j for j in folds_left if desired[j] == most)
        parts[m].append(example)
        data.remove(example)
        for i in classes[example]:
            desired_of[i][m] -= 1
        desired[m] -= 1

    while any(classes[x] for x in data):
        counts = {i: sum(i in classes[x] for x in data) for i in labels}
        rarest = min((n, i) for i, n in counts.items() if n)[1]
        for example in [x for x in data if rarest in classes[x]]:
            deal(example, desired_of[rarest])
    for example in list(data):
        deal(example, desired)
    return tuple(
        next(j for j in range(folds) if x in parts[j])
        for x in range(len(classes))
    )


def drawn(seed):
    """Images of 8 classes, common and rare ones; some show none."""
    rng = np.random.default_rng(seed)
    images = int(rng.integers(5, 40))
    share = np.array([1, 0.6, 0.4, 0.3, 0.2, 0.1, 0.1, 0.05])
    shown = rng.random((images, len(share))) < share * rng.integers(0, 2)
    return [frozenset(np.flatnonzero(row).tolist()) for row in shown]


@pytest.mark.parametrize("seed", range(40))
def test_the_folds_are_those_of_the_algorithm(seed):
    classes = drawn(seed)
    for folds in (2, 3, 5):
        found = balance_folds(classes, folds)
        assert found == slow_folds(classes, folds)
        sizes = np.bincount(found, minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_each_fold_gets_its_share_of_a_rare_class():
    classes = [frozenset({0, *({1} if k < 5 else {2})}) for k in range(25)]
    found = np.array(balance_folds(classes, 5))
    assert sorted(found[:5]) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(np.bincount(found), [5] * 5)


def test_images_without_a_class():
    assert balance_folds([frozenset()] * 5, 2) == (0, 1, 0, 1, 0)


def test_the_hold_out_takes_a_balanced_fold():
    """By the images' names, whatever the order of the list."""
    every = [(f"{k}.jpg", f"{k}.png") for k in range(10)]
    rare = every[:2]

    def classes():
        return lambda e: frozenset({0, 1}) if e in rare else frozenset({0})

    held = []
    for fold in range(2):
        rule = HoldOut(0.2, 2, fold)
        _, some = hold_out(every, rule, "", classes=classes)
        _, again = hold_out(every[::-1], rule, "", classes=classes)
        assert some == again and len(set(some) & set(rare)) == 1
        held += some
    assert sorted(held) == every
