"""DINOv3 against the numbers of transformers' DINOv3ViTModel."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.backbones.dinov3 import build_dinov3
from ipixmatch_jax.models.layers.layer_norm import layer_norm
from ipixmatch_jax.models.layers.rotary_embedding import rotary_tables
from ipixmatch_jax.models.weights import dinov3_names, vit_names
from tests import golden, golden_v2

pytestmark = pytest.mark.slow

SHAPES = {"v3_sq": (2, 3, 64, 64), "v3_rect": (1, 3, 80, 112)}
TAPS = (2, 5, 8, 11)
PREFIX = 5  # class token and four registers


@pytest.fixture(scope="module")
def expected(reference):
    return np.load(reference / "golden_dinov3_small.npz")


@pytest.fixture(scope="module")
def params(reference):
    shapes = golden_v2.keys(reference, "dinov3_vits16_keys.txt")
    tensors = {n: golden_v2.tensor(n, s) for n, s in shapes.items()}
    like = golden_v2.shapes(build_dinov3("small"), 32)["params"]
    return vit_names.fill_encoder(tensors, like, "the golden file")


def tokens(params, image):
    """All tokens after each block, and the tapped maps."""
    maps, state = build_dinov3("small").apply(
        {"params": params}, image, False, capture_intermediates=True
    )
    seen = state["intermediates"]
    return [seen[f"block_{i}"]["__call__"][0] for i in range(12)], maps


def normed(params, x):
    return layer_norm(1e-5, None).apply({"params": params["norm"]}, x)


@functools.cache
def _run():
    return jax.jit(tokens)


@pytest.mark.parametrize("tag", SHAPES)
def test_tokens_of_the_tapped_blocks(expected, params, tag):
    image = golden.images(tag, SHAPES[tag])
    blocks, maps = jax.device_get(_run()(params, image))
    assert len(maps) == 4
    for row, (index, tapped) in enumerate(zip(TAPS, maps, strict=True)):
        raw = blocks[index]
        after = np.asarray(normed(params, raw))
        b, n, d = raw.shape
        np.testing.assert_allclose(
            tapped.reshape(b, n - PREFIX, d), after[:, PREFIX:], atol=1e-5
        )
        for name, x in (
            ("raw", raw),
            ("norm", after),
            ("patch_raw", raw[:, PREFIX:]),
            ("patch_norm", after[:, PREFIX:]),
        ):
            np.testing.assert_allclose(
                golden_v2.statistics(x),
                expected[f"{tag}_{name}"][row],
                rtol=1e-5,
                atol=3e-5,
            )
    last = blocks[-1]
    after = np.asarray(normed(params, last))
    for name, x in (
        ("last_raw", last[:, :8, :16]),
        ("last", after[:, :8, :16]),
        ("last_end", after[:, -8:, :16]),
    ):
        np.testing.assert_allclose(x, expected[f"{tag}_{name}"], atol=3e-5)


@pytest.mark.parametrize("tag", SHAPES)
def test_rotary_angles(expected, tag):
    grid = tuple(side // 16 for side in SHAPES[tag][2:])
    cos, sin = rotary_tables(grid, 64)
    np.testing.assert_allclose(cos, expected[f"{tag}_cos"], atol=2e-6)
    np.testing.assert_allclose(sin, expected[f"{tag}_sin"], atol=2e-6)


def test_every_gradient(expected, params):
    image = golden.images("v3_sq", SHAPES["v3_sq"])
    up = np.random.default_rng(golden_v2.seed("v3_up"))
    up = up.standard_normal((2, 21, 384)).astype(np.float32)

    @golden_v2.jit_exact
    def gradient(params):
        def loss(params):
            blocks, _ = tokens(params, image)
            return jnp.sum(normed(params, blocks[-1]) * up) / 21

        return jax.value_and_grad(loss)(params)

    loss, grads = jax.device_get(gradient(params))
    np.testing.assert_allclose(loss, expected["grad_loss"], rtol=1e-5)
    grads = vit_names.encoder_tensors(grads)
    grads = dinov3_names.to_hugging_face(grads)
    names = expected["names"].tolist()
    assert set(grads) == set(names)
    for name, norm, probe, has in zip(
        names,
        expected["grad_norm"],
        expected["grad_probe"],
        expected["has_grad"],
        strict=True,
    ):
        grad = np.float64(grads[name])
        if not has:
            assert not grad.any()
            continue
        np.testing.assert_allclose(
            np.linalg.norm(grad), norm, rtol=2e-5, err_msg=name
        )
        error = abs(golden_v2.probe(name, grad) - probe)
        assert error < 5e-5 * norm, name
