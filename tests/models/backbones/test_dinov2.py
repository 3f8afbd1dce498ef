"""DINOv2 with the DPT head against UniMatch V2's own numbers."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.models.weights import unimatch_v2_names
from tests import golden, golden_v2

pytestmark = pytest.mark.slow

SIDES = {"sq": (70, 70), "rect": (84, 112), "native": (518, 518)}


@functools.cache
def outputs(tag):
    """Tapped maps and logits of the golden network on an image."""
    image = golden.images(tag, (1, 3, *SIDES[tag]))
    return run(golden_v2.variables(), image)


def run(variables, image):
    network = golden_v2.network()

    @jax.jit
    def forward(variables, image):
        maps = network.apply(variables, image, False, method="encode")
        size = image.shape[1:3]
        logits = network.apply(variables, maps, size, False, method="decode")
        return maps, logits

    return jax.device_get(forward(variables, image))


@pytest.fixture(scope="module")
def expected(reference):
    return np.load(reference / "golden_v2_small.npz")


@pytest.mark.parametrize("tag", SIDES)
def test_tapped_maps_and_logits(expected, tag):
    maps, logits = outputs(tag)
    found = [golden_v2.statistics(m) for m in maps]
    np.testing.assert_allclose(found, expected[f"{tag}_feat"], atol=3e-4)
    last = maps[-1].reshape(1, -1, 384)[:, :8, :16]
    np.testing.assert_allclose(last, expected[f"{tag}_last"], atol=2e-5)
    assert logits.shape == (1, *SIDES[tag], 21)
    logits = logits.transpose(0, 3, 1, 2)
    if tag == "native":
        logits = logits[:, :, ::37, ::37]
    np.testing.assert_allclose(logits, expected[f"{tag}_logits"], atol=2e-3)


def test_epsilon_shows_where_variances_are_low(reference):
    """Tokens and the patch embedding times 0.01: the README's lowvar_*."""
    expected = np.load(reference / "golden_v2_eval.npz")
    tensors = golden_v2.tensors()
    small = ("cls_token", "pos_embed", "gamma")
    tensors = {
        name: value * np.float32(0.01)
        if name.startswith("backbone.")
        and (name.endswith(small) or "patch_embed" in name)
        else value
        for name, value in tensors.items()
    }
    variables = unimatch_v2_names.from_v2_names(tensors, golden_v2.variables())
    maps, logits = run(variables, golden.images("sq", (1, 3, 70, 70)))
    last = maps[-1].reshape(1, -1, 384)[:, :8, :16]
    np.testing.assert_allclose(last, expected["lowvar_last"], atol=1e-3)
    found = [golden_v2.statistics(m) for m in maps]
    np.testing.assert_allclose(found, expected["lowvar_feat"], atol=1e-3)
    logits = logits.transpose(0, 3, 1, 2)[:, :, ::7, ::7]
    np.testing.assert_allclose(logits, expected["lowvar_logits"], atol=2e-3)
