"""An RGB first convolution adapted to other numbers of channels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import input_channels, load, torch_names
from tests import golden

pytestmark = pytest.mark.slow


def test_adapted_kernels_calculated_by_hand():
    kernel = np.float32([[1, 2, 4], [8, 16, 32]]).reshape(2, 3, 1, 1)
    expected = {
        1: [[7], [56]],
        2: [[1.5, 3], [12, 24]],
        4: [[0.75, 1.5, 3, 0.75], [6, 12, 24, 6]],
        12: [[0.25, 0.5, 1] * 4, [2, 4, 8] * 4],
    }
    for channels, values in expected.items():
        found = input_channels.adapt_kernel(kernel, channels)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found[:, :, 0, 0], values)


def network(channels, stem):
    numbers = (0.5,) * channels
    return model_registry.build("tiny", 4, stem=stem, mean=numbers, std=numbers)


@functools.partial(jax.jit, static_argnums=0)
def encode(net, variables, x):
    return net.apply(variables, x, False, method="encode")


def wanted(net):
    """Like golden.shapes, but for any number of channels."""
    image = jnp.zeros((1, 33, 33, net.channels))
    return jax.eval_shape(lambda: net.init(jax.random.key(0), image, False))


@pytest.fixture(params=["deep", "7x7"])
def stem(request):
    return request.param


@pytest.fixture
def backbone(stem, tmp_path):
    """An RGB backbone as a file, and its variables."""
    variables = golden.random_variables(
        model_registry.build("tiny", 4, stem=stem)
    )
    tensors = torch_names.to_torch_names(variables)
    path = tmp_path / "rgb.safetensors"
    save_file(
        {
            name.removeprefix("backbone."): np.ascontiguousarray(value)
            for name, value in tensors.items()
            if name.startswith("backbone.")
        },
        path,
    )
    return path, variables


def test_a_grey_image_gives_the_features_it_had_as_rgb(backbone, stem):
    path, variables = backbone
    shapes = wanted(network(1, stem))
    loaded = load.load_weights(path, shapes)
    x = np.random.default_rng(0).standard_normal((1, 33, 33, 1))
    x = np.float32(x)
    rgb = model_registry.build("tiny", 4, stem=stem)
    there = encode(rgb, variables, x.repeat(3, -1))
    here = encode(network(1, stem), loaded, x)
    for a, b in zip(there, here, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_fourth_channel_is_filled_and_other_tensors_stay(backbone, stem):
    path, variables = backbone
    loaded = load.load_weights(path, wanted(network(4, stem)))
    kernels = [
        np.asarray(v["params"]["backbone"]["stem_1"]["conv"]["kernel"])
        for v in (variables, loaded)
    ]
    expected = kernels[0][:, :, [0, 1, 2, 0]] * np.float32(0.75)
    np.testing.assert_array_equal(kernels[1], expected)
    for name in ("layer1_0", "layer4_0"):
        here, there = (
            v["params"]["backbone"][name] for v in (loaded, variables)
        )
        np.testing.assert_array_equal(
            here["conv2"]["conv"]["kernel"], there["conv2"]["conv"]["kernel"]
        )


def test_a_file_that_is_used_as_it_is_must_fit(tmp_path, stem):
    variables = golden.random_variables(
        model_registry.build("tiny", 4, stem=stem)
    )
    path = tmp_path / "whole.safetensors"
    tensors = torch_names.to_torch_names(variables)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path)
    with pytest.raises(ValueError, match=r"misshapen: backbone.conv1"):
        load.load_weights(path, wanted(network(1, stem)), whole=True)
    two = wanted(network(2, stem))
    assert load.has_head(load.load_weights(path, two))
