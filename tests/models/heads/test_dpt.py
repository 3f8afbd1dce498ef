"""The DPT head on a pyramid of maps; the golden logits hold the other way."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.backbones.resnet import ResNet
from ipixmatch_jax.models.heads.dpt import SIZES, DptHead

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
    like = jax.eval_shape(network.init, jax.random.key(0), maps)
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda x: (0.3 * rng.standard_normal(x.shape)).astype(np.float32),
        like,
    )


def run(network, variables, maps):
    return jax.jit(network.apply)(variables, maps)


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
        return jnp.sum(jnp.sin(head(pyramid=True).apply(variables, maps)))

    grads = jax.jit(jax.grad(loss))(variables)["params"]
    still = {
        "/".join(key.key for key in path[:2])
        for path, grad in jax.tree.leaves_with_path(grads)
        if not np.asarray(grad).any()
    }
    assert still == set(head().untrained) == {"fuse_4/unit_1"}


@pytest.mark.parametrize("output_stride", [16, 8])
def test_a_resnets_four_stages(output_stride):
    encoder = ResNet((1, 1, 1, 1), 8, output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 49, 65, 3), np.float32)
    maps, _ = jax.eval_shape(
        lambda x: encoder.init_with_output(jax.random.key(0), x, False), image
    )
    network = DptHead(5, *SIZES["small"], pyramid=True)
    logits, variables = jax.eval_shape(
        network.init_with_output, jax.random.key(1), maps
    )
    assert logits.shape == (1, 26, 34, 5)
    project = variables["params"]["project_4"]["kernel"]
    assert project.shape == (8 * 32, 384)


def test_maps_of_one_size_are_resampled_first():
    maps = tuple(np.ones((1, 5, 7, 3), np.float32) for _ in range(4))
    variables = jax.eval_shape(head().init, jax.random.key(0), maps)
    logits = jax.eval_shape(head().apply, variables, maps)
    assert logits.shape == (1, 8 * 5, 8 * 7, 5)


def test_bfloat16_returns_float32_logits():
    maps = pyramid()
    variables = filled(head(pyramid=True), maps)
    exact = run(head(pyramid=True), variables, maps)
    network = head(pyramid=True, dtype=jnp.bfloat16)
    rounded = run(network, variables, maps)
    assert rounded.dtype == jnp.float32
    assert np.abs(exact - rounded).mean() < 0.05 * np.std(exact)
