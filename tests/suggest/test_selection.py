"""Which images are chosen, by slow loops and by hand."""

import math

import numpy as np
import pytest

from ipixmatch_jax.suggest import selection


def test_ranks_and_scores():
    values = np.asarray([3.0, 1.0, 3.0, 9.0])
    assert selection.rank(values).tolist() == [0.625, 0.25, 0.625, 1]
    assert selection.rank(np.ones(1)).tolist() == [1]
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 30))
    by_hand = [
        (sum(a <= x) / 30 + sum(b <= y) / 30) / 2
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(selection.score_images(a, b), by_hand)
    np.testing.assert_array_equal(
        selection.score_images(a, b), selection.score_images(1e-4 * a, 50 * b)
    )
    np.testing.assert_array_equal(
        selection.score_images(a, None), selection.rank(a)
    )
    np.testing.assert_array_equal(
        selection.score_images(a, None), selection.rank(a)
    )
    # A copied teacher differs only by rounding, this must not change the order.
    copy = selection.score_images(a, np.float32(1e-8 * np.abs(b)))
    np.testing.assert_array_equal(np.argsort(copy), np.argsort(a))


def _slow_spread(features, scores, count, taken):
    """Greedy k-centre by its definition, with loops."""
    centres = [(0, c) for c in taken]
    chosen = []
    for place in range(1, count + 1):
        best, most = None, -1.0
        for i, f in enumerate(features):
            if i in chosen:
                continue
            gain = scores[i]
            if centres:
                gain *= min(math.dist(f, c) for _, c in centres)
            if gain > most:
                best, most = i, gain
        chosen.append(best)
        centres.append((place, features[best]))
    cluster = [
        min(centres, key=lambda c, f=f: math.dist(f, c[1]))[0] for f in features
    ]
    return chosen, cluster


@pytest.mark.parametrize("labelled", [0, 1, 300])
def test_the_choice_equals_the_slow_loops(labelled):
    rng = np.random.default_rng(labelled)
    features = rng.normal(size=(40, 6)).astype(np.float32)
    taken = rng.normal(size=(labelled, 6)).astype(np.float32)
    scores = selection.rank(rng.normal(size=40))
    chosen, cluster = selection.choose_spread(features, scores, 15, taken)
    slow = _slow_spread(features, scores, 15, taken)
    assert (chosen.tolist(), cluster.tolist()) == slow


def _heaps(rng):
    """Features of sixty images in six distant clusters, and their clusters."""
    heap = rng.permutation(60) % 6
    centres = 100 * np.eye(6)
    return centres[heap] + rng.normal(size=(60, 6)), heap


def test_every_cluster_but_the_labelled_one_gets_a_suggestion():
    rng = np.random.default_rng(3)
    features, heap = _heaps(rng)
    scores = rng.uniform(0.4, 1, 60)
    chosen, cluster = selection.choose_spread(
        features, scores, 5, features[heap == 2]
    )
    assert sorted(heap[chosen]) == [0, 1, 3, 4, 5]
    for i in range(60):
        expected = 0
        if heap[i] != 2:
            expected = 1 + heap[chosen].tolist().index(heap[i])
        assert cluster[i] == expected


def test_near_duplicates_come_last_in_the_order_of_their_scores():
    rng = np.random.default_rng(4)
    once = rng.uniform(0, 9, (10, 64)).astype(np.float32)
    # The same picture in two batches differs in the last digits.
    again = once * (1 + 1e-7 * rng.normal(size=once.shape)).astype(np.float32)
    features = np.concatenate([once, again])
    scores = np.tile(np.linspace(0.1, 1, 10), 2)
    chosen, _ = selection.choose_spread(features, scores, 20, once[:2])
    assert sorted(chosen[:8] % 10) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(chosen) == list(range(20))
    assert (np.diff(scores[chosen[8:]]) <= 0).all()


def test_with_equal_distances_the_score_decides():
    features = np.eye(5)  # All distances are equal.
    scores = np.asarray([0.2, 0.9, 0.1, 1.0, 0.5])
    chosen, _ = selection.choose_spread(features, scores, 3, np.zeros((1, 5)))
    assert chosen.tolist() == [3, 1, 4]


def test_of_equal_images_the_first_is_chosen():
    chosen, cluster = selection.choose_spread(
        np.ones((6, 3)), np.ones(6), 3, np.zeros((0, 3))
    )
    assert chosen.tolist() == [0, 1, 2]
    assert cluster.tolist() == [1] * 6
