"""Generates the weights and inputs of the reference numbers by name."""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.models.registry import build
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.models.weights import load


def _rng(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def keys(reference, backbone):
    """Names and shapes of a reference state dict, in its order."""
    lines = (reference / f"unimatch_{backbone}_keys.txt").read_text()
    rows = (line.split("\t") for line in lines.splitlines())
    return {
        name: tuple(int(n) for n in shape.strip("()").split(",") if n.strip())
        for name, shape, _ in rows
    }


def tensor(name, shape):
    """Generates one tensor by the rule in the reference's README."""
    rng, leaf = _rng(name), name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        value = np.zeros(shape)
    elif leaf == "running_var":
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) == 4:
        fan_in = shape[1] * shape[2] * shape[3]
        value = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
    elif leaf in ("bias", "running_mean"):
        value = 0.1 * rng.standard_normal(shape)
    elif ".bn3." in name:
        value = rng.uniform(0.1, 0.3, shape)
    else:
        value = rng.uniform(0.8, 1.2, shape)
    return value.astype(np.float32)


@functools.cache
def variables(num_classes=21):
    """The golden ResNet-50 network's params and batch_stats (NumPy)."""
    like = shapes(build("r50", num_classes))
    tensors = {
        name: tensor(name, value.shape)
        for name, value in load.to_torch_names(zeros(like)).items()
    }
    return load.from_torch_names(tensors, like)


def network(num_classes=21) -> Segmenter:
    """The network that `variables` fit."""
    return build("r50", num_classes)


def images(tag, shape):
    """x(tag) of the README. `shape` is NCHW; the result is NHWC."""
    drawn = _rng(tag).standard_normal(shape).astype(np.float32)
    return np.ascontiguousarray(drawn.transpose(0, 2, 3, 1))


def integers(tag, high, shape):
    """i(tag, high, shape) of the README."""
    return _rng(tag).integers(0, high, shape)


def uniform(tag, shape):
    """Numbers in [0, 1) for the README's masks."""
    return _rng(tag).random(shape)


def shapes(network, side=33):
    """Shapes and dtypes of a network's variables, as ShapeDtypeStructs."""
    return jax.tree.map(lambda x: x, _shapes(network, side))


@functools.cache
def _shapes(network, side):
    image = jnp.zeros((1, side, side, network.channels))
    return jax.eval_shape(
        lambda: network.init(jax.random.key(0), image, train=False)
    )


def random_variables(network, seed=0, side=33):
    """Variables of any network: statistics and scales near 1, NumPy."""
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        kind = path[-1].key
        if kind == "kernel":
            fan_in = np.prod(leaf.shape[:-1])
            value = rng.standard_normal(leaf.shape) * np.sqrt(2 / fan_in)
        elif kind in ("scale", "var"):
            value = rng.uniform(0.5, 1.5, leaf.shape)
        else:
            value = 0.1 * rng.standard_normal(leaf.shape)
        return value.astype(np.float32)

    return jax.tree_util.tree_map_with_path(fill, shapes(network, side))


def zeros(like):
    """A tree of zeros with the shapes of `tree`, where only names matter."""
    return jax.tree.map(lambda x: np.broadcast_to(np.float32(0), x.shape), like)
