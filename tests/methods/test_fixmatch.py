"""FixMatch against a float64 loop over images and pixels."""

import functools

import numpy as np
import pytest

from ipixmatch_jax.losses.pixel import cross_entropy
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.methods.supervised import supervised
from tests.methods import pixel_network

THRESHOLD = 0.8


def draw_views(seed, b=4, side=6):
    rng = np.random.default_rng(seed)
    labelled, weak, strong = rng.standard_normal((3, b, side, side, 3))
    labels = rng.integers(0, 4, (b, side, side))
    labels[:, 0] = 255
    valid = np.ones((b, side, side), bool)
    valid[0, :, 4:] = False
    boxes = [[1, 1, 4, 5], [0, 0, 0, 0], [2, 0, 6, 3], [0, 2, 3, 6]]
    box = np.array(boxes * (b // 4))
    return Views(
        *map(np.float32, (labelled,)),
        labels,
        *map(np.float32, (weak, strong)),
        box,
        valid,
    )


def logits(variables, images, mean):
    params = variables["params"]
    w, b = (
        np.float64(params["backbone"]["w"]),
        np.float64(params["head"]["b"]),
    )
    return (images - mean) @ w + b


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def cut_mix(x, box):
    mixed = x.copy()
    for i, (top, left, bottom, right) in enumerate(box):
        partner = i + 1 if i % 2 == 0 else i - 1
        part = (slice(top, bottom), slice(left, right))
        mixed[i][part] = x[partner][part]
    return mixed


def slow(student, teacher, views):
    """(loss_x, loss_u, target logits, strong logits), pixel by pixel."""
    stats = np.float64(student["batch_stats"]["mean"])
    views = views._replace(
        **{
            k: np.float64(getattr(views, k))
            for k in ("labelled", "weak", "strong")
        }
    )
    strong = cut_mix(views.strong, views.box)
    if teacher is not None:
        mean = np.concatenate([views.labelled, strong]).mean((0, 1, 2))
        weak = logits(
            teacher, views.weak, np.float64(teacher["batch_stats"]["mean"])
        )
        strong = logits(student, strong, mean)
        stats = [0.9 * stats + 0.1 * mean]
    else:
        mean = np.concatenate([views.labelled, views.weak]).mean((0, 1, 2))
        weak = logits(student, views.weak, mean)
        stats = 0.9 * stats + 0.1 * mean
        stats = [0.9 * stats + 0.1 * strong.mean((0, 1, 2))]
        strong = logits(student, strong, strong.mean((0, 1, 2)))
    clean = log_softmax(logits(student, views.labelled, mean))
    loss_x = -np.mean(
        [
            clean[(*p, views.labels[p])]
            for p in np.ndindex(views.labels.shape)
            if views.labels[p] != 255
        ]
    )
    target, valid = cut_mix(weak, views.box), cut_mix(views.valid, views.box)
    log_q, total = log_softmax(strong), 0.0
    for place in np.ndindex(valid.shape):
        confidence = np.exp(log_softmax(target[place])).max()
        if valid[place] and confidence >= THRESHOLD:
            total -= log_q[(*place, target[place].argmax())]
    return loss_x, total / valid.sum(), target, strong, stats[0]


@pytest.mark.parametrize("with_teacher", [True, False])
def test_losses_targets_and_statistics_are_the_slow_loops(with_teacher):
    student = pixel_network.variables(0)
    teacher = pixel_network.variables(1) if with_teacher else None
    views = draw_views(2)
    outcome = fixmatch(
        pixel_network.forward,
        student,
        teacher,
        views,
        labelled_loss=cross_entropy,
        threshold=THRESHOLD,
    )
    loss_x, loss_u, target, strong, mean = slow(student, teacher, views)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    close(outcome.metrics["loss_x"], loss_x)
    close(outcome.metrics["loss_u"], loss_u)
    close(outcome.total, (loss_x + loss_u) / 2)
    (pair,) = outcome.consistency
    close(pair.teacher_logits, target)
    close(pair.student_logits, strong)
    np.testing.assert_array_equal(pair.valid, cut_mix(views.valid, views.box))
    close(outcome.batch_stats["mean"], mean)


def test_confident_share_by_class_counts_the_weak_view():
    teacher = pixel_network.variables(1)
    views = draw_views(3)
    outcome = fixmatch(
        pixel_network.forward,
        pixel_network.variables(0),
        teacher,
        views,
        labelled_loss=cross_entropy,
        threshold=THRESHOLD,
    )
    mean = np.float64(teacher["batch_stats"]["mean"])
    weak = logits(teacher, views.weak, mean)[views.valid]
    confident = np.exp(log_softmax(weak)).max(-1) >= THRESHOLD
    metrics = outcome.metrics
    np.testing.assert_allclose(metrics["confident_share"], confident.mean())
    given = weak.argmax(-1)
    for c in range(4):
        mine = given == c
        share = confident[mine].mean() if mine.any() else 0.0
        np.testing.assert_allclose(
            metrics["confident_share_by_class"][c], share, rtol=1e-5
        )
        np.testing.assert_allclose(
            metrics["pseudo_label_share_by_class"][c], mine.mean(), rtol=1e-5
        )


def test_supervised_is_the_labelled_loss_alone():
    student, views = pixel_network.variables(0), draw_views(4)
    outcome = supervised(
        pixel_network.forward,
        student,
        None,
        Views(views.labelled, views.labels),
        labelled_loss=cross_entropy,
        threshold=THRESHOLD,
    )
    logits_x, _ = pixel_network.forward(student, views.labelled, True)
    assert outcome.total == cross_entropy(logits_x, views.labels)
    assert outcome.consistency == []
