"""AugSeg against a float64 loop over images and pixels."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.augseg import (
    augseg,
    image_confidence,
    inject_and_mix,
)
from ipixmatch_jax.methods.base import Views
from tests.methods import pixel_network

pytestmark = pytest.mark.slow

THRESHOLD = 0.8
WEIGHT = 0.7
CLASSES = 4
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def draw_views(seed, b=6, side=7):
    rng = np.random.default_rng(seed)
    shape = (3, b, side, side, 3)
    labelled, weak, strong = np.float32(rng.standard_normal(shape))
    labels = rng.integers(0, CLASSES, (b, side, side)).astype(np.uint8)
    labels[:, 2] = 255
    valid = np.ones((b, side, side), bool)
    valid[0, :, 4:] = False
    corners = np.sort(rng.integers(0, side + 1, (2, b, 2, 2)), 2)
    labelled_box, box = corners.reshape(2, b, 4).astype(np.int32)
    labelled_box[:4] = (1, 0, 6, 5)
    box[:4] = (0, 2, 5, 7)
    # Probabilities of injection: 1, 0, 0, 1 and random ones.
    inject = np.float32([1, 0, 0, 1, *rng.random(b - 4)])
    drawn = {"inject": inject, "labelled_box": labelled_box}
    return Views(labelled, labels, weak, (strong,), (box,), valid, drawn)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def logits_of(variables, images, mean):
    params = variables["params"]
    w = np.float64(params["backbone"]["w"])
    return (images - mean) @ w + np.float64(params["head"]["b"])


def slow_confidence(logits):
    result = []
    for image in logits:
        values = []
        for place in np.ndindex(image.shape[:2]):
            p = np.exp(log_softmax(image[place]))
            entropy = -sum(q * np.log(q + 1e-10) for q in p)
            values.append(p.max() * (1 - entropy / np.log(len(p))))
        result.append(np.mean(values))
    return np.array(result)


def slow_mix(unlabelled, labelled, inject, labelled_box, box):
    """Mixes two lists of arrays [B, H, W, ...] by slow loops."""
    donors = [x.copy() for x in unlabelled]
    for i, (top, left, bottom, right) in enumerate(labelled_box):
        if inject[i]:
            for donor, source in zip(donors, labelled, strict=True):
                part = source[i, top:bottom, left:right]
                donor[i, top:bottom, left:right] = part
    result = [x.copy() for x in unlabelled]
    for i, (top, left, bottom, right) in enumerate(box):
        partner = i + 1 if i % 2 == 0 else i - 1
        for mixed, donor in zip(result, donors, strict=True):
            part = donor[partner, top:bottom, left:right]
            mixed[i, top:bottom, left:right] = part
    return result


def slow(student, teacher, views):
    """{name: expected value} of the outcome."""
    labelled, weak = np.float64(views.labelled), np.float64(views.weak)
    if teacher is None:
        teacher = student
    mean = np.float64(teacher["batch_stats"]["mean"])
    weak = logits_of(teacher, weak, mean)
    inject = views.drawn["inject"] > slow_confidence(weak)
    p = np.exp(log_softmax(weak))
    strong, label, confidence, valid, target = slow_mix(
        [
            np.float64(views.strong[0]),
            weak.argmax(-1),
            p.max(-1),
            views.valid,
            weak,
        ],
        [
            labelled,
            views.labels.astype(int),
            np.ones(views.labels.shape),
            np.zeros(views.labels.shape, bool),
            np.full(weak.shape, np.nan),
        ],
        inject,
        views.drawn["labelled_box"],
        views.box[0],
    )
    mean = np.concatenate([labelled, strong]).mean((0, 1, 2))
    logits = logits_of(student, strong, mean)
    log_q, total = log_softmax(logits), 0.0
    for place in np.ndindex(label.shape):
        if label[place] != 255 and confidence[place] >= THRESHOLD:
            total -= log_q[(*place, label[place])]
    log_x = log_softmax(logits_of(student, labelled, mean))
    true = [p for p in np.ndindex(label.shape) if views.labels[p] != 255]
    return {
        "inject": inject,
        "loss_x": -np.mean([log_x[(*p, views.labels[p])] for p in true]),
        "loss_u": total / label.size,
        "student": logits,
        "target": target,
        "valid": valid,
        "mean": 0.9 * np.float64(student["batch_stats"]["mean"]) + 0.1 * mean,
    }


def call(student, teacher, views):
    return augseg(
        pixel_network.forward,
        student,
        teacher,
        views,
        labelled_loss=cross_entropy,
        threshold=THRESHOLD,
        unlabelled_weight=WEIGHT,
    )


@pytest.mark.parametrize("with_teacher", [True, False])
def test_losses_targets_and_statistics_equal_the_slow_loops(with_teacher):
    student = pixel_network.variables(0)
    teacher = pixel_network.variables(1) if with_teacher else None
    views = draw_views(2)
    expected = slow(student, teacher, views)
    outcome = jax.jit(call)(student, teacher, views)
    assert set(expected["inject"].tolist()) == {True, False}
    close(outcome.metrics["injected_share"], expected["inject"].mean())
    close(outcome.metrics["loss_x"], expected["loss_x"])
    close(outcome.metrics["loss_u"], expected["loss_u"])
    total = expected["loss_x"] + WEIGHT * expected["loss_u"]
    close(outcome.total, total)
    close(outcome.batch_stats["mean"], expected["mean"])
    (pair,) = outcome.consistency
    np.testing.assert_array_equal(pair.valid, expected["valid"])
    assert not np.isnan(expected["target"][expected["valid"]]).any()
    compared = expected["valid"]
    close(pair.teacher.logits[compared], expected["target"][compared])
    close(pair.student.logits, expected["student"])


def test_jit_changes_nothing_and_the_teacher_has_no_gradient():
    student, teacher = pixel_network.variables(3), pixel_network.variables(4)
    views = draw_views(5)
    plain = call(student, teacher, views)
    compiled = jax.jit(call)(student, teacher, views)
    jax.tree.map(close, compiled, plain)

    def total(teacher):
        return call(student, teacher, views).total

    for gradient in jax.tree.leaves(jax.jit(jax.grad(total))(teacher)):
        assert not np.any(gradient)


def test_image_confidence_of_known_predictions():
    """One-hot gives 1, a uniform distribution 0, half of each 0.5."""
    logits = np.zeros((3, 4, 4, CLASSES), np.float32)
    logits[0, ..., 1] = 100
    logits[2, :2, :, 3] = 100
    got = image_confidence(logits)
    np.testing.assert_allclose(got, [1, 0, 0.5], atol=1e-6)


def test_injected_pixels_reach_only_the_neighbour():
    unlabelled = np.zeros((4, 6, 6), np.int32)
    labelled = np.full((4, 6, 6), 7, np.int32)
    labelled_box = np.zeros((4, 4), np.int32)
    labelled_box[0] = (1, 1, 4, 4)
    box = np.tile(np.int32([2, 2, 6, 6]), (4, 1))
    got = inject_and_mix(unlabelled, labelled, labelled_box, box)
    expected = np.zeros_like(got)
    expected[1, 2:4, 2:4] = 7
    np.testing.assert_array_equal(got, expected)


def test_every_pixel_counts_in_the_divisor():
    """Pixels without a label count too."""
    student, teacher = pixel_network.variables(6), pixel_network.variables(7)
    views = draw_views(8)
    drawn = views.drawn | {"inject": np.ones(6, np.float32)}
    whole = np.tile(np.int32([0, 0, 7, 7]), (6, 1))
    drawn["labelled_box"] = whole
    # The visible part is injected from labelled images, without any label.
    views = views._replace(
        labels=np.full((6, 7, 7), 255, np.uint8), box=(whole,), drawn=drawn
    )
    outcome = call(student, teacher, views)
    assert outcome.metrics["loss_u"] == 0
    assert not outcome.consistency[0].valid.any()
    views.labels[:, 0] = 1
    outcome = call(student, teacher, views)
    # One row of seven, always confident: a seventh of its mean cross entropy.
    log_q = log_softmax(np.float64(outcome.consistency[0].student.logits))
    close(outcome.metrics["loss_u"], -log_q[:, 0, :, 1].mean() / 7)
