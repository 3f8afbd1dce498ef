"""Confidence and CutMix against plain NumPy."""

import numpy as np

from ipixmatch_jax.methods import pseudo_labels


def test_confidence_is_the_largest_softmax():
    logits = np.random.default_rng(0).standard_normal((2, 3, 4, 5)) * 4
    e = np.exp(logits)
    expected = (e / e.sum(-1, keepdims=True)).max(-1)
    confidence, labels = pseudo_labels.confidence_and_labels(
        logits.astype(np.float32)
    )
    np.testing.assert_allclose(confidence, expected, rtol=1e-5)
    np.testing.assert_array_equal(labels, logits.argmax(-1))


def test_paste_takes_the_partner_inside_the_box_only():
    x = np.zeros((2, 5, 6, 3), np.float32)
    box = np.array([[1, 2, 4, 5], [0, 0, 0, 0]], np.int32)
    expected = x.copy()
    expected[0, 1:4, 2:5] = 1
    np.testing.assert_array_equal(
        pseudo_labels.paste_boxes(x, x + 1, box), expected
    )
    np.testing.assert_array_equal(
        pseudo_labels.paste_boxes(x[..., 0], x[..., 0] + 1, box),
        expected[..., 0],
    )


def test_a_pixel_inside_an_odd_number_of_boxes_is_pasted():
    x = np.zeros((1, 4, 6), np.float32)
    box = np.array([[[0, 0, 3, 4], [1, 2, 4, 6], [2, 3, 3, 4]]], np.int32)
    expected = np.float32(
        [
            [1, 1, 1, 1, 0, 0],
            [1, 1, 0, 0, 1, 1],
            [1, 1, 0, 1, 1, 1],
            [0, 0, 1, 1, 1, 1],
        ]
    )
    np.testing.assert_array_equal(
        pseudo_labels.paste_boxes(x, x + 1, box)[0], expected
    )
