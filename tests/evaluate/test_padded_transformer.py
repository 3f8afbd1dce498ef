"""Padded batches of a network that sees no padding: exact, by any route."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.data.source import Sample
from ipixmatch_jax.evaluate import evaluator, image_batches
from ipixmatch_jax.evaluate.padded_shapes import (
    group_by_shape,
    shapes_of_multiples,
)
from ipixmatch_jax.evaluate.resized_images import nearest_multiple
from ipixmatch_jax.models import registry
from ipixmatch_jax.models.layers.resize import resize_align_corners
from ipixmatch_jax.predict.averaging import Averaging
from ipixmatch_jax.predict.predictor import Predictor
from ipixmatch_jax.predict.windows import Windows
from ipixmatch_jax.suggest import uncertainty
from tests import golden_v2

pytestmark = pytest.mark.slow

# Two are seen at 28 x 42, one each at 42 x 28 and 28 x 28.
SIZES = [(30, 40), (25, 46), (37, 25), (28, 28)]


@functools.cache
def network():
    return registry.build("dinov2tiny", 4)


@functools.cache
def variables():
    shapes = golden_v2.shapes(network(), 28)
    rng = np.random.default_rng(0)

    def draw(like):
        scale = np.prod(like.shape[:-1]) ** -0.5 if like.ndim > 1 else 0.5
        return np.float32(scale * rng.standard_normal(like.shape))

    return jax.tree.map(draw, shapes)


def picture(index):
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (*SIZES[index], 3), np.uint8)


@jax.jit
def resized(variables, image):
    """Class probabilities of one image: there and back, nothing else."""
    x = evaluator.normalise_images(network(), image[None])
    size = tuple(nearest_multiple(side, 14) for side in image.shape[:2])
    logits = network().apply(variables, resize_align_corners(x, size), False)
    logits = resize_align_corners(logits, image.shape[:2])
    return jax.nn.softmax(logits)[0]


@functools.cache
def alone(index):
    return np.asarray(resized(variables(), picture(index)))


class Pictures:
    """A source whose masks are what the network alone predicts."""

    def __len__(self):
        return len(SIZES)

    def __getitem__(self, index):
        image = picture(index)
        return Sample(image, np.uint8(alone(index).argmax(-1)))

    def size(self, index):
        return SIZES[index]

    def name(self, index):
        return str(index)


@pytest.mark.parametrize("multiple", [1, 3, 14, 16])
def test_a_shape_holds_the_images_that_are_seen_at_one_size(multiple):
    rng = np.random.default_rng(multiple)
    sizes = [tuple(size) for size in rng.integers(1, 90, (60, 2)).tolist()]
    shapes = shapes_of_multiples(sizes, multiple)
    found = group_by_shape(shapes, dict(enumerate(sizes)))
    assert sorted(i for _, group in found for i in group) == list(range(60))
    for shape, group in found:
        seen = [nearest_multiple(side, multiple) for side in shape]
        for index in group:
            for side, most, target in zip(
                sizes[index], shape, seen, strict=True
            ):
                assert side <= most
                assert nearest_multiple(side, multiple) == target


def test_the_evaluator_scores_each_image_as_if_alone():
    score = evaluator.make_evaluator(
        network(),
        mode="original",
        crop_size=28,
        num_classes=4,
        batch_size=3,
    )
    confusion = score({"student": variables()}, Pictures())["student"]
    assert confusion.sum() == sum(h * w for h, w in SIZES)
    # A pixel where two classes are as likely may go either way.
    assert confusion.trace() >= confusion.sum() - 2


def read(index):
    return image_batches.Item(picture(index))


def predictor(**settings):
    return Predictor(network(), variables(), batch_size=3, **settings)


def test_the_predictor_gives_each_image_what_it_has_alone():
    sizes = dict(enumerate(SIZES))
    for index, shares in predictor().probabilities(sizes, read):
        np.testing.assert_allclose(shares, alone(index), atol=1e-4)


def test_a_batch_changes_no_average():
    sizes = {0: SIZES[0], 1: SIZES[1]}
    averaged = predictor(averaging=Averaging((1.6,), True))
    together = dict(averaged.probabilities(sizes, read))
    ((_, shares),) = averaged.probabilities({1: SIZES[1]}, read)
    np.testing.assert_allclose(together[1], shares, atol=1e-4)


def test_windows_of_predictions_are_those_of_the_evaluation():
    """Strips of windows, added up, against the compiled loop."""
    image = picture(1)

    @jax.jit
    def summed(variables, image):
        x = evaluator.normalise_images(network(), image[None])
        return evaluator.class_scores(network(), variables, x, None, 14)

    sums = summed(variables(), image)
    expected = sums[0] / sums[0].sum(-1, keepdims=True)
    cut = predictor(windows=Windows(14, 0))
    ((_, shares),) = cut.probabilities({1: SIZES[1]}, read)
    np.testing.assert_allclose(shares, expected, atol=1e-4)


def test_an_examination_sees_each_image_as_if_alone():
    first, second = picture(0), picture(1)
    batch = np.zeros((3, 34, 48, 3), np.uint8)
    sizes = np.int32([SIZES[0], SIZES[1], (0, 0)])
    for image, place in zip((first, second), batch, strict=False):
        place[: image.shape[0], : image.shape[1]] = image
    found = uncertainty.examine_batch(network(), (variables(),), batch, sizes)
    for slot, image in enumerate((first, second)):
        shares = np.float64(alone(slot))
        entropy = -(shares * np.log(shares)).sum(-1) / np.log(4)
        np.testing.assert_allclose(found.entropy[slot], entropy.mean(), 1e-4)
        one = uncertainty.examine_batch(network(), (variables(),), image[None])
        np.testing.assert_allclose(
            found.features[slot], one.features[0], rtol=1e-3, atol=1e-5
        )
