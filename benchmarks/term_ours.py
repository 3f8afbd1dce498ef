"""A reading of the inter-pixel loss, for benchmarks/peers.py."""

from collections.abc import Callable

import jax
import numpy as np

from benchmarks.jax_device import check_device
from benchmarks.jax_device import peak_device_bytes as peak_device_bytes
from benchmarks.peers import Setting
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss


def count_parameters() -> int:
    """A loss has none."""
    return 0


def draw_logits(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Noise for student and teacher, float32 [batch, side, side, 21]."""
    rng = np.random.default_rng(setting.side)
    shape = setting.batch, setting.side, setting.side, 21
    q, p = (3 * rng.standard_normal(shape, np.float32) for _ in range(2))
    return q, p


def build_step(setting: Setting) -> Callable[[], float]:
    """Value and gradient by the student, every pixel confident; the value.

    Args:
      setting: its step names the reading, as "channel/kl".

    Raises:
      RuntimeError: jax does not see the device.
    """
    check_device(setting)
    relation, distance = setting.step.split("/")
    q, p = jax.device_put(draw_logits(setting))
    valid = jax.device_put(np.ones(q.shape[:3], bool))

    def loss(q, p, valid):
        return inter_pixel_loss(
            q,
            p,
            valid,
            relation=relation,
            distance=distance,
            temperature=1.0,
            threshold=0.0,
        )[0]

    compiled = jax.jit(jax.value_and_grad(loss)).lower(q, p, valid).compile()

    def once():
        value, _ = compiled(q, p, valid)
        return value.item()  # Waits for the program, and so for both.

    return once
