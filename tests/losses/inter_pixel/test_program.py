"""The compiled inter-pixel loss: its memory and its collectives."""

import functools
import math
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from tests.losses.inter_pixel import twin as twin
from tests.losses.inter_pixel.test_loss import draw, every_reading, settings

pytestmark = pytest.mark.slow


def value_and_grad(relation, distance, **more):
    given = settings(relation, distance) | more
    return jax.value_and_grad(lambda *x: inter_pixel_loss(*x, **given)[0])


def largest_tensor(stablehlo, hlo):
    """Number of elements of the largest array in either text."""
    shapes = [x.split("x")[:-1] for x in re.findall(r"<([\dx]+x)\w", stablehlo)]
    shapes += [x.split(",") for x in re.findall(r"\w\[([\d,]+)\]", hlo)]
    return max(math.prod(map(int, filter(None, shape))) for shape in shapes)


@every_reading
def test_memory_is_linear_in_the_pixels_at_full_resolution(relation, distance):
    logits = jax.ShapeDtypeStruct((2, 321, 321, 21), jnp.float32)
    valid = jax.ShapeDtypeStruct((2, 321, 321), bool)
    lowered = jax.jit(value_and_grad(relation, distance)).lower(
        logits, logits, valid
    )
    compiled = lowered.compile()
    temporary = compiled.memory_analysis().temp_size_in_bytes
    # Tiled readings need their tiles; the others keep only the gradient.
    limit = 10 if READINGS[relation, distance].tiled else 2
    assert 0 < temporary < limit * logits.size * 4
    # Far below N^2 = 10,617,447,681 elements.
    largest = largest_tensor(lowered.as_text(), compiled.as_text())
    assert logits.size <= largest < 1.1 * logits.size


@functools.cache
def traced_loss(relation, distance):
    logits = jax.ShapeDtypeStruct((2, 81, 81, 21), jnp.float32)
    valid = jax.ShapeDtypeStruct((2, 81, 81), bool)
    return jax.jit(value_and_grad(relation, distance)).trace(
        logits, logits, valid
    )


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize(
    ("relation", "distance"),
    [pair for pair, reading in READINGS.items() if not reading.tiled],
)
def test_only_a_cpu_cuts_an_image_into_blocks(relation, distance, platform):
    traced = traced_loss(relation, distance)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.while" in text) == (platform == "cpu")


def test_the_search_for_tensors_sees_a_matrix_of_all_pairs():
    x = jax.ShapeDtypeStruct((30, 4), jnp.float32)
    lowered = jax.jit(lambda x: jnp.exp(x @ x.T).sum()).lower(x)
    assert largest_tensor(lowered.as_text(), "") == 900
    assert largest_tensor("", lowered.compile().as_text()) == 900


@every_reading
def test_eight_devices_agree_with_one_and_exchange_only_scalars(
    relation, distance
):
    q, p, valid = draw(9, (16, 5, 6, 4))
    mesh = jax.make_mesh(
        (8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    split = jax.NamedSharding(mesh, jax.P("data"))
    loss = value_and_grad(relation, distance, block=8)
    compiled = (
        jax.jit(loss, in_shardings=(split,) * 3).lower(q, p, valid).compile()
    )
    value, gradient = compiled(
        *(jax.device_put(x, split) for x in (q, p, valid))
    )
    one, one_gradient = jax.jit(loss)(q, p, valid)
    np.testing.assert_allclose(value, one, rtol=1e-6)
    np.testing.assert_allclose(gradient, one_gradient, rtol=1e-5, atol=1e-7)
    # The gradient of an image stays on the device of the image.
    assert gradient.sharding.is_equivalent_to(split, 4)
    text = compiled.as_text()
    names = "all-gather|all-to-all|collective-permute|reduce-scatter"
    assert not re.search(names, text)
    reduced = re.findall(r"= (.*?) all-reduce(?:-start)?\(", text)
    assert reduced
    for shape in reduced:
        assert re.fullmatch(r"f32\[\]|\((f32\[\](, )?)+\)", shape)


class Variants(chex.TestCase):
    """The same value with and without jit."""

    @chex.variants(with_jit=True, without_jit=True)
    def test_the_loss_equals_the_float64_version(self):
        q, p, valid = draw(8, (1, 3, 4, 3))
        for relation, distance in READINGS:
            given = settings(relation, distance)
            run = functools.partial(inter_pixel_loss, **given)
            _, aux = self.variant(run)(q, p, valid)
            expected = twin.per_image(q, p, valid, **given)
            np.testing.assert_allclose(aux.per_image, expected, rtol=1e-4)


@pytest.mark.parametrize("traced", ["temperature", "threshold"])
def test_a_setting_may_be_traced(traced):
    q, p, valid = draw(9, (1, 3, 4, 3))
    given = settings("channel", "kl")

    def run(x):
        return inter_pixel_loss(q, p, valid, **given | {traced: x})[0]

    np.testing.assert_allclose(
        jax.jit(run)(given[traced]), run(given[traced]), rtol=1e-6
    )
    assert jax.grad(run)(given[traced]) == 0
