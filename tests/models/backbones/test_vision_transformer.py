"""Shallow vision transformers: variants, precision, memory, devices."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ipixmatch_jax.models.backbones import dinov2, dinov3
from ipixmatch_jax.models.backbones.dinov2 import build_dinov2
from ipixmatch_jax.models.backbones.dinov3 import build_dinov3
from tests import golden_v2
from tests.models.backbones.shallow import VARIANTS, images, params, shallow

pytestmark = pytest.mark.slow


def encode(network, variables, x):
    return jax.jit(network.apply, static_argnums=2)(variables, x, False)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_but_the_mask_token_counts(variant):
    network = shallow(**VARIANTS[variant])
    up = np.random.default_rng(3).standard_normal((4, 2, 3, 5, 48))

    def loss(variables):
        maps = network.apply(variables, images(), False)
        return sum(jnp.vdot(a, b) for a, b in zip(maps, up, strict=True))

    grads = jax.jit(jax.grad(loss))(params(variant))["params"]
    still = {
        path[0].key
        for path, grad in jax.tree.leaves_with_path(grads)
        if not np.asarray(grad).any()
    }
    assert still == set(network.untrained) == {"mask_token"}


def kept_for_the_gradient(network, variables):
    """Bytes that the backward pass is handed by the forward pass."""

    def residuals(variables):
        return jax.vjp(lambda v: network.apply(v, images(), False), variables)[
            1
        ]

    leaves = jax.tree.leaves(jax.eval_shape(residuals, variables))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def test_remat_keeps_less_and_gives_the_same_gradient():
    def loss(variables, network):
        maps = network.apply(variables, images(), False)
        return sum(jnp.sum(jnp.sin(x)) for x in maps)

    networks = [shallow(remat=remat) for remat in (False, True)]
    grads = [
        jax.jit(jax.grad(functools.partial(loss, network=network)))(
            params("plain")
        )
        for network in networks
    ]
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4),
        *grads,
    )
    plain, remat = (kept_for_the_gradient(n, params("plain")) for n in networks)
    assert remat < 0.5 * plain


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_stays_near_float32(variant):
    exact = encode(shallow(**VARIANTS[variant]), params(variant), images())
    network = shallow(**VARIANTS[variant], dtype=jnp.bfloat16)
    rounded = encode(network, params(variant), images())
    for a, b in zip(exact, rounded, strict=True):
        assert (a.dtype, b.dtype) == (jnp.float32, jnp.bfloat16)
        assert np.abs(a - b.astype(np.float32)).mean() < 0.05 * np.std(a)


def test_bfloat16_keeps_norms_sums_and_softmax_in_float32():
    network = shallow(dtype=jnp.bfloat16)
    forward = jax.make_jaxpr(network.apply, static_argnums=2)
    text = str(forward(params("plain"), images(), False))
    for operation in ("exp", "rsqrt", "div"):
        results = [
            line.split(" = ")[0]
            for line in text.splitlines()
            if f" = {operation} " in line
        ]
        assert results
        assert not any("bf16" in result for result in results)


def test_params_and_batch_may_lie_on_several_devices():
    mesh = jax.make_mesh(
        (2, 4),
        ("data", "fsdp"),
        axis_types=(jax.sharding.AxisType.Auto,) * 2,
    )
    variables = params("plain")

    def shard(leaf):
        axis = int(np.argmax(leaf.shape))
        spec = [None] * leaf.ndim
        if leaf.ndim > 1 and leaf.shape[axis] % 4 == 0:
            spec[axis] = "fsdp"
        return jax.device_put(leaf, NamedSharding(mesh, P(*spec)))

    x = images(8)
    batch = NamedSharding(mesh, P(("data", "fsdp")))
    spread = encode(
        shallow(), jax.tree.map(shard, variables), jax.device_put(x, batch)
    )
    for a, b in zip(spread, encode(shallow(), variables, x), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_images_of_other_channels_are_encoded():
    maps, variables = jax.eval_shape(
        lambda key: shallow().init_with_output(key, images(1, 8, 12, 5), False),
        jax.random.key(0),
    )
    kernel = variables["params"]["patch_embed"]["linear"]["kernel"]
    assert kernel.shape == (4 * 4 * 5, 48)
    assert [x.shape for x in maps] == [(1, 2, 3, 48)] * 4


@pytest.mark.parametrize(
    ("build", "size", "words"),
    [
        (build_dinov2, (70, 100), "98 or 112 instead of 100"),
        (build_dinov2, (9, 28), "a side of 14 instead of 9"),
        (build_dinov3, (518, 518), "512 or 528 instead of 518"),
        (build_dinov3, (64, 72), "64 or 80 instead of 72"),
    ],
)
def test_sides_that_do_not_fit_are_refused(build, size, words):
    image = np.zeros((1, *size, 3), np.float32)
    with pytest.raises(ValueError, match=words):
        build("small").init(jax.random.key(0), image, False)


def test_what_an_encoder_states():
    assert build_dinov2("base").side_multiple == 14
    assert build_dinov3("large").side_multiple == 16
    assert build_dinov2("giant").channels == (1536,) * 4
    assert build_dinov3("base").strides == (16,) * 4
    assert not build_dinov2("small").exact_when_padded


@pytest.mark.parametrize(
    ("build", "known"),
    [
        (build_dinov2, "small, base, large, giant, tiny"),
        (build_dinov3, "small, base, large, tiny"),
    ],
)
def test_an_unknown_size_is_refused(build, known):
    with pytest.raises(ValueError, match=f"'huge'; choose one of: {known}"):
        build("huge")


@pytest.mark.parametrize("name", ["dinov2tiny", "dinov2s_reg", "dinov3tiny"])
def test_an_entrys_stages_hold_every_parameter_once(name):
    entry = (dinov2.BACKBONES | dinov3.BACKBONES)[name]
    encoder = entry.build(dtype=jnp.float32, remat=False)
    side = 2 * encoder.side_multiple
    shapes = golden_v2.shapes(encoder, side)["params"]
    for path in traverse_util.flatten_dict(shapes, sep="/"):
        found = [s for s, p in entry.stages.items() if re.match(p, path)]
        assert len(found) == 1, path
    names = list(entry.stages)
    assert (names[0], names[-1]) == ("embedding", "norm")


def test_the_names_in_a_config():
    assert list(dinov2.BACKBONES) == [
        *("dinov2s", "dinov2b", "dinov2l", "dinov2g"),
        *("dinov2s_reg", "dinov2b_reg", "dinov2l_reg", "dinov2g_reg"),
        "dinov2tiny",
    ]
    widths = {n: b.build().width for n, b in dinov3.BACKBONES.items()}
    assert widths == {
        "dinov3s": 384,
        "dinov3b": 768,
        "dinov3l": 1024,
        "dinov3tiny": 48,
    }
    assert dinov2.BACKBONES["dinov2g_reg"].build().registers == 4
