"""Sizes of the maps of real networks, and the gradient through real heads."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.methods.base import Consistency
from ipixmatch_jax.methods.compared_maps import compared_maps
from ipixmatch_jax.models import registry
from ipixmatch_jax.models.heads.deeplab import build_deeplab
from ipixmatch_jax.models.heads.dpt import build_dpt
from ipixmatch_jax.models.layers.resize import resize_align_corners
from ipixmatch_jax.models.segmenter import Segmenter, variable_shapes
from ipixmatch_jax.training import setup
from ipixmatch_jax.utils.by_platform import trace_for
from tests import golden

pytestmark = pytest.mark.slow


def network_of(backbone, head, **fields):
    return registry.build(backbone, 5, head=head, **fields)


@pytest.mark.parametrize(
    ("backbone", "head", "side", "own", "grid", "features"),
    [
        ("dinov2s", "", 518, 296, 37, (296, 64)),
        ("dinov3s", "", 528, 264, 33, (264, 64)),
        ("r50c4", "", 129, 33, 9, (9, 128)),
        ("r50", "", 321, 81, 21, (21, 256)),
        ("r50", "dpt", 129, 66, 9, (66, 128)),
    ],
)
def test_the_sizes_of_the_maps(backbone, head, side, own, grid, features):
    network = network_of(backbone, head)
    image = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)

    def maps(variables, image):
        output, _ = setup.forward(
            *(network, variables, image, False),
            keep_head=True,
            keep_features=True,
        )
        pair = Consistency(output, output, jnp.ones((2, side, side), bool))
        return [
            compared_maps(pair, on, network.strides[-1])[0]
            for on in ("logits", "head", "grid", "features")
        ]

    shapes = jax.eval_shape(maps, variable_shapes(network), image)
    sides = [x.shape for x in shapes]
    assert sides[:3] == [(2, n, n, 5) for n in (side, own, grid)]
    assert sides[3] == (2, features[0], *features)


class Pooled(nn.Module):
    """A stand-in for an encoder: averages of the image, mixed by a matrix."""

    width: int
    strides: tuple[int, ...]
    dtype = jnp.float32

    @nn.compact
    def __call__(self, images, train):
        b, h, w, c = images.shape
        maps = []
        for number, s in enumerate(self.strides):
            blocks = images.reshape(b, h // s, s, w // s, s, c).mean((2, 4))
            maps.append(nn.Dense(self.width, name=f"mix_{number}")(blocks))
        return tuple(maps)


@pytest.mark.parametrize(
    ("build", "width", "strides"),
    [(build_deeplab, 32, (4, 16)), (build_dpt, 48, (16,) * 4)],
)
@pytest.mark.parametrize(
    ("relation", "maps"),
    [("channel", ("head", "grid")), ("agents", ("features",))],
)
def test_the_gradient_through_a_heads_maps(
    build, width, strides, relation, maps
):
    side = 32
    encoder = Pooled(width, strides)
    network = Segmenter(encoder, build(encoder, num_classes=5))
    # One compiled program and then NumPy, not one program per operation.
    blank = jnp.zeros((1, side, side, 3))
    init = jax.jit(lambda key: network.init(key, blank, True))
    variables = {"batch_stats": {}, **jax.device_get(init(jax.random.key(0)))}
    images = golden.images("maps", (2, 3, side, side))
    teacher = golden.images("other", (2, 3, side, side))
    valid = np.ones((2, side, side), bool)
    valid[0, side // 2 :] = False
    forward = functools.partial(
        setup.forward, network, keep_head=True, keep_features=True
    )

    def value(params):
        output, _ = forward({**variables, "params": params}, images, False)
        target, _ = forward(variables, teacher, False)
        pair = Consistency(output, target, valid)
        losses = [
            inter_pixel_loss(
                *compared_maps(pair, on, network.strides[-1]),
                relation=relation,
                distance="kl",
                temperature=1.0,
                threshold=0.0,
            )[0]
            for on in maps
        ]
        resized = resize_align_corners(output.head_logits, (side, side))
        return sum(losses), jnp.abs(resized - output.logits).max()

    params = variables["params"]
    # Untrained logits hardly differ, and float32 would not see the slope.
    classifier = params["head"]["classifier"]
    classifier["kernel"] = 50 * classifier["kernel"]
    both = jax.value_and_grad(value, has_aux=True)
    run = jax.jit(trace_for("cpu", both))  # as a run does
    (_, difference), slope = jax.device_get(run(params))
    assert difference < 1e-5
    norm = np.sqrt(sum(np.sum(x**2) for x in jax.tree.leaves(slope)))
    step = 1e-4 / norm  # so that hardly a ReLU switches
    sides = [
        run(jax.tree.map(lambda p, g, s=s: p + s * g, params, slope))[0][0]
        for s in (step, -step)
    ]
    measured = (sides[0] - sides[1]) / (2 * step)
    np.testing.assert_allclose(measured, norm**2, rtol=2e-2)
