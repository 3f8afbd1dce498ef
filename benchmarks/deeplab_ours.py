"""DeepLabV3+ on ResNet-50 of this package, for benchmarks/peers.py."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.jax_device import check_device
from benchmarks.peers import Setting
from ipixmatch_jax.models import registry
from ipixmatch_jax.models.segmenter import Segmenter, variable_shapes


def build_network(setting: Setting) -> Segmenter:
    """The network with 21 classes, in the setting's precision.

    Raises:
      RuntimeError: jax does not see the device.
    """
    check_device(setting)
    dtype = jnp.bfloat16 if setting.precision == "bf16" else jnp.float32
    return registry.build("r50", 21, dtype=dtype)


def draw_variables(network: Segmenter) -> dict:
    """Random params and fresh statistics; drawn by NumPy, compiles nothing."""
    rng = np.random.default_rng(0)

    def draw(path, like):
        name = path[-1].key
        if name in ("scale", "var"):
            return np.ones(like.shape, np.float32)
        if name in ("bias", "mean"):
            return np.zeros(like.shape, np.float32)
        fan_in = np.prod(like.shape[:-1])
        return rng.standard_normal(like.shape, np.float32) * fan_in**-0.5

    drawn = jax.tree_util.tree_map_with_path(draw, variable_shapes(network))
    return jax.tree.map(jnp.asarray, drawn)


def count_parameters() -> int:
    """Parameters of the network."""
    params = variable_shapes(registry.build("r50", 21))["params"]
    return sum(x.size for x in jax.tree.leaves(params))
