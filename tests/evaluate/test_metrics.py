"""Confusion matrices against loops and the reference's counts."""

import jax
import numpy as np
import pytest

from ipixmatch_jax.evaluate import metrics
from tests import golden


@pytest.fixture(scope="module")
def numbers(reference):
    return np.load(reference / "golden_resnet50.npz")


def test_counts_equal_the_references(numbers):
    predictions = golden.integers("iu_p", 5, (2, 30, 30))
    ignored = golden.integers("iu_i", 9, (2, 30, 30)) == 0
    labels = golden.integers("iu_t", 5, (2, 30, 30))
    labels = np.where(ignored, 255, labels).astype(np.uint8)
    confusion = jax.jit(metrics.confusion_matrix, static_argnums=2)(
        predictions, labels, 5
    )
    hits = np.diagonal(confusion)
    truth, predicted = confusion.sum(1), confusion.sum(0)
    np.testing.assert_array_equal(
        [hits, truth + predicted - hits, truth], numbers["iu"]
    )


def test_rows_are_the_true_classes_and_255_is_ignored():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (3, 7, 5)).astype(np.uint8)
    predictions = rng.integers(0, 3, (3, 7, 5))
    expected = np.zeros((3, 3), int)
    for truth, predicted in zip(labels.flat, predictions.flat, strict=True):
        if truth != 255:
            expected[truth, predicted] += 1
    actual = metrics.confusion_matrix(predictions, labels, 3)
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, expected)


def test_iou_in_percent_with_an_absent_class():
    confusion = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    np.testing.assert_allclose(
        metrics.iou_by_class(confusion), [100 * 3 / 6, 100 * 4 / 7, 0]
    )
    np.testing.assert_allclose(
        metrics.mean_iou(confusion), 100 * (3 / 6 + 4 / 7) / 3
    )


def test_counts_beyond_int32():
    confusion = np.full((2, 2), 2**40, np.int64)
    np.testing.assert_allclose(metrics.iou_by_class(confusion), 100 / 3)


def test_the_foreground_is_every_class_but_a_background_0():
    iou = [90.0, 20.0, 40.0]
    foreground = metrics.foreground_iou
    assert foreground(iou, ("background", "crack", "leaf")) == 30
    assert foreground(iou, (" Background", "crack", "leaf")) == 30
    assert foreground(iou, ("BG", "crack", "leaf")) == 30
    assert foreground(iou, ("sky", "background", "leaf")) is None
    assert foreground(iou, ("class 0", "class 1", "class 2")) is None
    assert foreground([90.0, 20.0], ("background", "crack")) == 20
    assert foreground([90.0, 20.0], ("class 0", "class 1")) == 20
    assert foreground([90.0, 20.0], ("sky", "road")) is None
