"""The DPT head on a pyramid of maps; the golden logits hold the other way."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.backbones.dinov2 import build_dinov2
from ipixmatch_jax.models.backbones.resnet import build_resnet
from ipixmatch_jax.models.heads.deeplab import build_deeplab
from ipixmatch_jax.models.heads.dpt import DptHead, build_dpt
from ipixmatch_jax.models.segmenter import Segmenter

pytestmark = pytest.mark.slow

LEVELS = (6, 8, 10, 12)


def head(**settings):
    return DptHead(5, LEVELS, 4, **settings)


def pyramid(dtype=np.float32):
    """Maps as a ResNet's at output stride 16: the last two of one size."""
    rng = np.random.default_rng(0)
    shapes = [(9, 12, 3), (5, 6, 4), (3, 3, 5), (3, 3, 7)]
    return tuple(
        rng.standard_normal((2, *shape)).astype(dtype) for shape in shapes
    )


def filled(network, maps):
    like = jax.eval_shape(
        lambda key: network.init(key, maps, False), jax.random.key(0)
    )
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda x: (0.3 * rng.standard_normal(x.shape)).astype(np.float32),
        like,
    )


def run(network, variables, maps):
    return jax.jit(network.apply, static_argnums=2)(variables, maps, False)


class Slow:
    """The head in float64, from its definition."""

    def __init__(self, params):
        self.params = jax.tree.map(np.float64, params)

    def __call__(self, maps):
        p = self.params
        levels = [
            self.conv(self.linear(x, p[f"project_{i}"]), p[f"level_{i}"])
            for i, x in enumerate(maps, 1)
        ]
        x = None
        for i in (4, 3, 2, 1):
            fuse, level = p[f"fuse_{i}"], levels[i - 1]
            x = level if x is None else x + self.unit(level, fuse["unit_1"])
            x = self.unit(x, fuse["unit_2"])
            size = (2 * x.shape[1], 2 * x.shape[2])
            if i > 1:
                size = levels[i - 2].shape[1:3]
            x = self.linear(self.resize(x, size), fuse["out"])
        x = np.maximum(self.conv(x, p["output"]), 0)
        return self.linear(x, p["classifier"])

    def unit(self, x, p):
        y = self.conv(np.maximum(x, 0), p["conv1"])
        return x + self.conv(np.maximum(y, 0), p["conv2"])

    def linear(self, x, p):
        return x @ p["kernel"] + p["bias"]

    def conv(self, x, p):
        _, h, w, _ = x.shape
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        total = p.get("bias", 0)
        for i, j in itertools.product(range(3), range(3)):
            part = padded[:, i : i + h, j : j + w]
            total = total + part @ p["conv"]["kernel"][i, j]
        return total

    def resize(self, x, size):
        """Bilinear with aligned corners: NumPy's own, along each axis."""
        for axis, n in ((1, size[0]), (2, size[1])):
            old = x.shape[axis]
            at = np.linspace(0, old - 1, n)
            x = np.apply_along_axis(
                lambda v, at=at, old=old: np.interp(at, np.arange(old), v),
                axis,
                x,
            )
        return x


def test_equals_the_definition_on_a_pyramid():
    maps = pyramid()
    variables = filled(head(pyramid=True), maps)
    logits = run(head(pyramid=True), variables, maps)
    assert logits.dtype == jnp.float32
    assert logits.shape == (2, 18, 24, 5)
    expected = Slow(variables["params"])(maps)
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_only_the_first_unit_of_the_coarsest_level_is_unused():
    maps = pyramid()
    variables = filled(head(pyramid=True), maps)

    def loss(variables):
        logits = head(pyramid=True).apply(variables, maps, False)
        return jnp.sum(jnp.sin(logits))

    grads = jax.jit(jax.grad(loss))(variables)["params"]
    still = {
        "/".join(key.key for key in path[:2])
        for path, grad in jax.tree.leaves_with_path(grads)
        if not np.asarray(grad).any()
    }
    assert still == set(head().untrained) == {"fuse_4/unit_1"}


def logits_shape(encoder, height, width):
    """Of the head that is built for an encoder, and its variables."""
    network = Segmenter(encoder, build_dpt(encoder, num_classes=5))
    image = np.zeros((1, height, width, 3), np.float32)

    def run(key):
        variables = network.init(key, image, False)
        maps = network.apply(variables, image, False, method="encode")
        head = variables["params"]["head"]
        return network.head.apply({"params": head}, maps, False), head

    logits, head = jax.eval_shape(run, jax.random.key(0))
    return logits.shape, head


@pytest.mark.parametrize("output_stride", [16, 8])
def test_a_resnets_four_stages(output_stride):
    encoder = build_resnet("tiny", output_stride=output_stride)
    shape, head = logits_shape(encoder, 49, 65)
    assert shape == (1, 26, 34, 5)
    assert "resample_1" not in head
    assert head["project_4"]["kernel"].shape == (16 * 32, 24)
    assert build_dpt(build_resnet("r101"), num_classes=5).features == 128


def test_maps_of_one_size_are_resampled_first():
    shape, head = logits_shape(build_dinov2("tiny"), 70, 98)
    assert shape == (1, 8 * 5, 8 * 7, 5)
    assert head["resample_1"]["kernel"].shape == (4, 4, 8, 8)


class OneMap(NamedTuple):
    strides = (16,)


def test_an_encoder_without_four_maps_is_refused():
    with pytest.raises(ValueError, match="four feature maps, and this one"):
        build_dpt(OneMap(), num_classes=5)


def test_deeplabs_head_refuses_a_transformer():
    with pytest.raises(ValueError, match="strides are 14, 14, 14, 14"):
        build_deeplab(build_dinov2("small"), num_classes=5)


def test_bfloat16_returns_float32_logits():
    maps = pyramid()
    variables = filled(head(pyramid=True), maps)
    exact = run(head(pyramid=True), variables, maps)
    network = head(pyramid=True, dtype=jnp.bfloat16)
    rounded = run(network, variables, maps)
    assert rounded.dtype == jnp.float32
    assert np.abs(exact - rounded).mean() < 0.05 * np.std(exact)
