"""Encoders and heads behind one interface, whatever their strides are."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from ipixmatch_jax.models.base import Backbone, Head
from ipixmatch_jax.models.registry import BACKBONES, HEADS, build
from ipixmatch_jax.models.segmenter import (
    Segmenter,
    draw_variables,
    variable_shapes,
)
from tests import golden

pytestmark = pytest.mark.slow


class Patches(nn.Module):
    """Like a vision transformer: patches of 14, four maps of one size."""

    dtype: jnp.dtype = jnp.float32
    strides = (14, 14, 14, 14)
    side_multiple = 14
    exact_when_padded = False

    @nn.compact
    def __call__(self, images, train):
        b, h, w, c = images.shape
        x = images.reshape(b, h // 14, 14, w // 14, 14, c)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 14, w // 14, -1)
        return tuple(nn.Dense(8, name=f"tap_{i}")(x) for i in range(4))


class Last(nn.Module):
    """Class scores of the last map."""

    num_classes: int
    exact_when_padded = False

    @nn.compact
    def __call__(self, features, train):
        return nn.Dense(self.num_classes, name="classifier")(features[-1])


def last(encoder, *, num_classes, dtype):
    return Last(num_classes)


@pytest.fixture
def registered(monkeypatch):
    """The two in registries that forget them after the test."""
    for registry in (BACKBONES, HEADS):
        for name in ("_members", "_modules"):
            monkeypatch.setattr(registry, name, {**getattr(registry, name)})
    BACKBONES.register("patches", Backbone(Patches, "last", {}))
    HEADS.register("last", Head(last))


@pytest.mark.usefixtures("registered")
def test_a_network_without_batch_norm_and_of_one_stride():
    network = build("patches", 5)
    assert (network.side_multiple, network.strides) == (14, (14,) * 4)
    assert (network.num_classes, network.channels) == (5, 3)
    assert not network.exact_when_padded
    shapes = variable_shapes(network)
    assert set(shapes["params"]) == {"backbone", "head"}
    assert shapes["batch_stats"] == {}
    variables = draw_variables(network, 28, jax.random.key(0))
    logits = network.apply(variables, jnp.ones((2, 28, 42, 3)), False)
    assert logits.shape == (2, 28, 42, 5)
    assert logits.dtype == jnp.float32


@pytest.mark.usefixtures("registered")
def test_padding_is_refused_by_a_network_that_cannot_tell_it():
    network = build("patches", 5)
    variables = draw_variables(network, 28, jax.random.key(0))
    sizes = jnp.int32([[20, 28]])
    with pytest.raises(ValueError, match="cannot tell padding from image"):
        network.apply(variables, jnp.ones((1, 28, 28, 3)), False, sizes)


@pytest.mark.usefixtures("registered")
def test_a_head_that_does_not_fit_says_so():
    with pytest.raises(ValueError, match=r"needs a backbone .* 14, 14, 14, 14"):
        build("patches", 5, head="deeplabv3plus")


@pytest.mark.usefixtures("registered")
def test_a_resnet_takes_another_head():
    network = build("tiny", 5, head="last")
    variables = golden.random_variables(network)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 33, 33, 3)))

    def zero(features):
        return tuple(0 * f for f in features)

    @jax.jit
    def both(variables, x):
        method = Segmenter.clean_and_perturbed
        pair = network.apply(variables, x, False, zero, method=method)
        return network.apply(variables, x, False), pair

    expected, ((clean, *_), (perturbed, *_)) = both(variables, x)
    np.testing.assert_allclose(clean, expected, rtol=1e-5)
    # Without features the classifier's bias is left.
    bias = variables["params"]["head"]["classifier"]["bias"]
    bias = np.broadcast_to(bias, (2, 33, 33, 5))
    np.testing.assert_allclose(perturbed, bias, rtol=1e-5)


def test_equal_networks_share_their_compiled_programs():
    one, other = build("tiny", 5), build("tiny", 5)
    assert one == other
    assert hash(one) == hash(other)
    assert one != build("tiny", 5, stem="7x7")


@pytest.mark.parametrize(
    ("output_stride", "strides"), [(16, (4, 8, 16, 16)), (8, (4, 8, 8, 8))]
)
def test_a_resnets_strides(output_stride, strides):
    network = build("tiny", 5, output_stride=output_stride)
    assert network.strides == strides
    assert network.side_multiple == 1
    assert network.exact_when_padded


def test_every_stage_has_its_parameters():
    entry = BACKBONES["tiny"]
    params = variable_shapes(build("tiny", 2))["params"]["backbone"]
    paths = ["/".join(path) for path in traverse_util.flatten_dict(params)]
    for path in paths:
        stages = [
            stage
            for stage, pattern in entry.stages.items()
            if re.match(pattern, path)
        ]
        assert len(stages) == 1, path
    assert list(entry.stages) == [
        "stem",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    ]
