"""A forward pass of this package's DeepLabV3+, for benchmarks/peers.py."""

from collections.abc import Callable

import jax
import numpy as np

from benchmarks import deeplab_ours
from benchmarks.deeplab_ours import count_parameters as count_parameters
from benchmarks.jax_device import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting


def draw_images(setting: Setting) -> np.ndarray:
    """Noise, float32 [batch, side, side, 3]."""
    shape = setting.batch, setting.side, setting.side, 3
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def build_step(setting: Setting) -> Callable[[], float]:
    """Logits of a batch of noise, compiled; returns the first of them.

    Args:
      setting: the threads are the processors that the process may use.

    Raises:
      RuntimeError: jax does not see the device.
    """
    network = deeplab_ours.build_network(setting)
    variables = deeplab_ours.draw_variables(network)
    images = jax.device_put(draw_images(setting))
    compiled = jax.jit(lambda v, x: network.apply(v, x, False))

    def once():
        logits = jax.block_until_ready(compiled(variables, images))
        return float(logits[0, 0, 0, 0])

    return once
