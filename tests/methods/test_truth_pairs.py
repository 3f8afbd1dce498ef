"""The pairs of labelled images against loops and the cross entropy."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.methods.base import Consistency, NetworkOutput, Outcome
from ipixmatch_jax.methods.compared_maps import compared_maps
from ipixmatch_jax.methods.truth_pairs import compared_pairs, truth_pairs
from tests.losses.inter_pixel import twin
from tests.models.layers.test_area_average import average

IMAGE, OWN, GRID, STRIDE, CLASSES = (12, 9), (6, 5), (3, 3), 4, 3


@pytest.fixture(scope="module")
def case():
    """The student's output of two images, and their labels."""
    rng = np.random.default_rng(0)
    maps = [
        np.float32(2 * rng.standard_normal((2, *size, CLASSES)))
        for size in (IMAGE, OWN)
    ]
    # Larger than a cell, so that some cells have one class.
    labels = rng.integers(0, CLASSES, (2, 4, 3)).repeat(3, 1).repeat(3, 2)
    labels[0, :4], labels[1, 8:, 5:] = 255, 255
    return NetworkOutput(*maps), labels.astype(np.uint8)


def slow_truth(labels):
    """Logits of the truth, pixel by pixel."""
    logits = np.zeros((*labels.shape, CLASSES))
    for place in np.argwhere(labels != 255):
        logits[(*place, labels[tuple(place)])] = 30.0
    return logits


@pytest.mark.parametrize("on", ["logits", "head", "grid"])
def test_the_truth_is_the_teacher_on_every_map(case, on):
    output, labels = case
    (pair,) = truth_pairs([output], labels)
    q, p, valid, _ = compared_maps(pair, on, STRIDE)
    expected, labelled = slow_truth(labels), labels != 255
    student = output.logits if on == "logits" else output.head_logits
    if on != "logits":
        expected = average(expected, OWN)
        size = OWN if on == "head" else GRID
        labelled = average(labelled[..., None], size)[..., 0] >= 0.5
    if on == "grid":
        student, expected = average(student, GRID), average(expected, GRID)
    np.testing.assert_allclose(q, student, atol=1e-5)
    np.testing.assert_allclose(p, expected, atol=1e-4)
    np.testing.assert_array_equal(valid, labelled)


@pytest.mark.slow
@pytest.mark.parametrize("on", ["logits", "head"])
def test_the_term_on_the_truth_equals_its_float64_version(case, on):
    output, labels = case
    given = {"relation": "channel", "distance": "correlation"}
    given |= {"temperature": 1.0, "threshold": 0.7}

    @jax.jit
    def value_and_slope(q):
        def value(q):
            name = "logits" if on == "logits" else "head_logits"
            (pair,) = truth_pairs([output._replace(**{name: q})], labels)
            return inter_pixel_loss(*compared_maps(pair, on, STRIDE), **given)[
                0
            ]

        return jax.value_and_grad(value)(q)

    p, valid = slow_truth(labels), labels != 255
    q = np.float64(output.logits)
    if on == "head":
        q, p = np.float64(output.head_logits), average(p, OWN)
        valid = average(valid[..., None], OWN)[..., 0] >= 0.5
    value, slope = value_and_slope(np.float32(q))
    expected = twin.per_image(q, p, valid, **given).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    error = np.linalg.norm(slope - twin.gradient(q, p, valid, **given))
    assert error < 1e-3 * np.linalg.norm(slope)


def test_pixel_kl_on_the_truth_is_the_cross_entropy(case):
    output, labels = case
    one = NetworkOutput(output.logits[:1])
    (pair,) = truth_pairs([one], labels[:1])
    loss = functools.partial(
        inter_pixel_loss,
        relation="pixel",
        distance="kl",
        temperature=1.0,
        threshold=0.95,
    )
    value, aux = jax.jit(loss)(*compared_maps(pair, "logits", STRIDE)[:3])
    expected = cross_entropy(one.logits, labels[:1])
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert aux.confident_share == 1


def test_the_methods_own_pairs_come_first(case):
    output, labels = case
    own = [Consistency(output, output, labels != 255)] * 2
    outcome = Outcome(0.0, own, {}, {}, (output, output))
    assert compared_pairs(outcome, labels, False) is own
    pairs = compared_pairs(outcome, labels, True)
    assert pairs[:2] == own
    assert [pair.student for pair in pairs[2:]] == [output, output]


def test_an_outcome_without_labelled_outputs_is_refused(case):
    _, labels = case
    with pytest.raises(ValueError, match="labelled=True compares"):
        compared_pairs(Outcome(0.0, [], {}, {}), labels, True)
