"""UniMatch V2's two evaluations against its own numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.evaluate.resized_images import (
    nearest_multiple,
    resized_logits,
)
from ipixmatch_jax.evaluate.shifted_windows import (
    shifted_starts,
    summed_probabilities,
)
from tests import golden, golden_v2

pytestmark = pytest.mark.slow

NETWORK = golden_v2.network(num_classes=19)
SIZE = (90, 151)


@pytest.fixture(scope="module")
def expected(reference):
    return np.load(reference / "golden_v2_eval.npz")


def image():
    return golden.images("ev_img", (1, 3, *SIZE))


def forward(variables):
    return functools.partial(NETWORK.apply, variables, train=False)


@functools.cache
def whole(padded):
    """Logits of the whole image, alone or inside a larger array."""
    x, sizes = image(), None
    if padded:
        x = np.pad(x, ((0, 0), (0, 96 - 90), (0, 160 - 151), (0, 0)))
        sizes = jnp.int32([SIZE])

    @jax.jit
    def run(variables, x, sizes):
        size = tuple(nearest_multiple(side, 14) for side in SIZE)
        assert size == (84, 154)
        return resized_logits(forward(variables), x, size, sizes)

    return jax.device_get(run(golden_v2.variables(19), x, sizes))


@functools.cache
def _run_windows():
    @jax.jit
    def run(variables, x):
        return summed_probabilities(forward(variables), x, 70, 14)

    return run


@functools.cache
def windows(factor):
    """Summed probabilities with the classifier times a factor."""
    variables = golden_v2.variables(19)
    params = dict(variables["params"])
    classifier = params["head"]["classifier"]
    classifier = jax.tree.map(lambda x: x * np.float32(factor), classifier)
    params["head"] = {**params["head"], "classifier": classifier}
    return jax.device_get(_run_windows()({"params": params}, image()))


def check_scores(expected, scores, name, agreeing):
    """The reference's IoUs in percent, against both ground truths."""
    predictions = scores.argmax(-1)
    for truth, key in (("gt", "iou"), (agreeing, "iou_agree")):
        matrix = metrics.confusion_matrix(predictions, expected[truth], 19)
        iou = metrics.iou_by_class(matrix)
        theirs = expected[f"{name}_{key}"]
        np.testing.assert_allclose([iou.mean(), *iou], theirs, atol=0.02)


@pytest.mark.parametrize("padded", [False, True])
def test_whole_images(expected, padded):
    logits = whole(padded)
    assert not logits[:, 90:].any() and not logits[:, :, 151:].any()
    logits = logits[:, :90, :151]
    np.testing.assert_allclose(
        logits.transpose(0, 3, 1, 2)[:, :, ::6, ::7],
        expected["original_logits"],
        atol=2e-3,
    )
    assert (logits.argmax(-1) != expected["original_pred"]).sum() <= 3
    check_scores(expected, logits, "original", "gt_agree")


def test_sliding_windows(expected):
    total = windows(1.0)
    different = total.argmax(-1) != expected["sliding_window_pred"]
    assert (different & ~expected["sliding_window_ambiguous"]).sum() <= 2
    np.testing.assert_allclose(
        total.transpose(0, 3, 1, 2)[:, :, ::6, ::7],
        expected["sliding_window_softmax_sum"],
        atol=1e-4,
    )


def test_sliding_windows_without_ties(expected):
    total = windows(0.05)
    different = total.argmax(-1) != expected["soft_sliding_window_pred"]
    assert different.sum() <= 3
    np.testing.assert_allclose(
        total.transpose(0, 3, 1, 2)[:, :, ::6, ::7],
        expected["soft_sliding_window_softmax_sum"],
        atol=1e-4,
    )
    check_scores(expected, total, "soft_sliding_window", "gt_agree_soft")


def test_where_windows_begin(expected):
    corners = [
        (row, column)
        for row in shifted_starts(90, 70)
        for column in shifted_starts(151, 70)
    ]
    np.testing.assert_array_equal(corners, expected["sliding_window_corners"])
    # Cityscapes: windows of 798 at steps of 532.
    assert shifted_starts(2048, 798) == [0, 532, 1064, 1250]
    assert shifted_starts(1024, 798) == [0, 226]


@pytest.mark.parametrize("length", [1, 40, 70])
def test_a_side_within_a_window_has_one(length):
    assert shifted_starts(length, 70) == [0]


@pytest.mark.parametrize("window", [1, 2, 14, 70])
def test_windows_cover_every_pixel_and_nothing_else(window):
    for length in range(window, 4 * window + 3):
        starts = shifted_starts(length, window)
        assert starts == sorted(set(starts))
        covered = {i for s in starts for i in range(s, s + window)}
        assert covered == set(range(length))


def mean_colour(images):
    """A network of two classes that wants sides of a multiple of 14."""
    assert images.shape[1] % 14 == images.shape[2] % 14 == 0
    return jnp.stack([images.mean(-1), -images.mean(-1)], -1)


def test_an_image_smaller_than_the_window_is_seen_whole():
    x = np.random.default_rng(0).standard_normal((2, 31, 95, 3))
    x = jnp.float32(x)
    total = summed_probabilities(mean_colour, x, 70, 14)
    parts = [
        jax.nn.softmax(resized_logits(mean_colour, x[:, :, at], (28, 70)))
        for at in (slice(0, 70), slice(25, 95))
    ]
    expected = np.zeros((2, 31, 95, 2))
    expected[:, :, :70] += parts[0]
    expected[:, :, 25:] += parts[1]
    np.testing.assert_allclose(total, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "multiple", "nearest"),
    [(90, 14, 84), (91, 14, 98), (151, 14, 154), (518, 16, 512), (3, 14, 14)],
)
def test_nearest_multiples(side, multiple, nearest):
    assert nearest_multiple(side, multiple) == nearest
