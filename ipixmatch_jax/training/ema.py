"""The teacher: an exponential moving average of the student."""

import jax
import jax.numpy as jnp
from jax import Array


def decay_at(
    step: Array, decay: float, *, rampup: bool, copy_steps: int = 0
) -> Array:
    """The share of itself that the teacher keeps after step `step`.

    Args:
      step: int32 scalar, 0 at the first update.
      decay: the final share, in [0, 1].
      rampup: keep min(1 - 1/(step+1), decay), which begins as the plain mean
        of all students; the first update copies the student (UniMatch V2,
        AugSeg, PixelSSL).
      copy_steps: how many of the first updates copy the student (AugSeg: one
        epoch of them).

    Returns:
      float32 scalar.
    """
    share = jnp.float32(decay)
    if rampup:
        mean = 1 - 1 / (step.astype(jnp.float32) + 1)
        share = jnp.minimum(mean, share)
    return jnp.where(step < copy_steps, 0, share)


def update_average(teacher, student, decay: Array):
    """Moves the teacher to decay * teacher + (1 - decay) * student.

    Leaf by leaf, in float32; parameters and batch statistics are averaged in
    the same way (UniMatch V2, AugSeg).
    """
    return jax.tree.map(
        lambda t, s: t + (1 - decay) * (s - t), teacher, student
    )
