"""Weights and networks of the vision transformers' reference numbers."""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.models.backbones.dinov2 import build_dinov2
from ipixmatch_jax.models.heads.dpt import build_dpt
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.models.weights import unimatch_v2_names
from tests import xla_flags

# The suite compiles without LLVM's optimisations. That makes a gradient's
# projections up to 1e-3 of its norm inexact, and the golden gradients are held
# to 5e-5; level 1 is enough for that. At this level the usual emitters of fused
# loops compile faster.
jit_exact = functools.partial(
    jax.jit,
    compiler_options=xla_flags.USUAL_PRESET
    | {
        "xla_backend_optimization_level": 1,
        "xla_cpu_use_fusion_emitters": True,
    },
)


def network(size="small", num_classes=21, **settings):
    """UniMatch V2's network: DINOv2 with a DPT head."""
    return with_dpt(build_dinov2(size, **settings), num_classes)


def with_dpt(encoder, num_classes):
    """A network of an encoder and the DPT head for it."""
    head = build_dpt(encoder, num_classes=num_classes, dtype=encoder.dtype)
    return Segmenter(backbone=encoder, head=head)


def shapes(module, side):
    """A network's or an encoder's variables as ShapeDtypeStructs."""
    return jax.tree.map(lambda x: x, _shapes(module, side))


@functools.cache
def _shapes(module, side):
    image = jnp.zeros((1, side, side, 3), jnp.float32)
    return jax.eval_shape(
        lambda key: module.init(key, image, False), jax.random.key(0)
    )


def keys(reference, name):
    """Names and shapes of a list of tensors, in its order."""
    rows = (reference / name).read_text().splitlines()
    return {
        name: tuple(int(n) for n in shape.strip("()").split(",") if n.strip())
        for name, shape, *_ in (row.split("\t") for row in rows)
    }


def seed(text):
    """The README's seed of a name or tag."""
    return zlib.crc32(text.encode())


def probe(name, array):
    """The sum of a gradient or update times fixed random numbers."""
    rng = np.random.default_rng(seed(f"probe:{name}"))
    return np.sum(np.float64(array) * rng.standard_normal(array.shape))


def tensor(name, shape):
    """One tensor by the README's rule, for either DINO and for the head."""
    rng = np.random.default_rng(seed(name))
    g = rng.standard_normal(shape)
    leaf = name.rsplit(".", 1)[-1]
    if leaf in ("gamma", "lambda1"):
        value = 0.1 * np.abs(g)
    elif leaf in ("pos_embed", "cls_token", "mask_token", "register_tokens"):
        value = 0.2 * g
    elif "resize_layers.0." in name or "resize_layers.1." in name:
        value = g / np.sqrt(shape[0]) if len(shape) == 4 else 0.1 * g
    elif len(shape) == 4:
        value = g * np.sqrt(2 / (shape[1] * shape[2] * shape[3]))
    elif len(shape) == 2:
        value = g / np.sqrt(shape[1])
    elif leaf == "bias":
        value = 0.1 * g
    else:
        value = rng.uniform(0.8, 1.2, shape)
    return value.astype(np.float32)


@functools.cache
def tensors(num_classes=21):
    """The golden small network's tensors by UniMatch V2's names."""
    like = shapes(network(num_classes=num_classes), 28)
    return {
        leaf.name: tensor(leaf.name, leaf.shape)
        for leaf in unimatch_v2_names.network_leaves(like)
    }


@functools.cache
def variables(num_classes=21):
    """The golden small network's variables (NumPy)."""
    like = shapes(network(num_classes=num_classes), 28)
    return unimatch_v2_names.from_v2_names(tensors(num_classes), like)


def statistics(x):
    """Mean, standard deviation and largest magnitude, as in the README."""
    x = np.asarray(x, np.float64)
    return x.mean(), x.std(), np.abs(x).max()
