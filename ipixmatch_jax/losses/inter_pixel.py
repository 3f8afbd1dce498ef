"""The inter-pixel consistency loss: what IPixMatch adds to its host.

Known of the method (arXiv 2404.18891): it compares the soft predictions of
teacher and student over the teacher's confident pixels, with a KL divergence
or a correlation, and changes no model. The softmax axis, temperature, form of
the threshold, reduction and weight are our reading, offered side by side; see
docs/inter_pixel_loss.md.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

# Added to the product of two norms in a Pearson coefficient.
_EPS = 1e-12
# A class whose teacher varies less than this has no relation to keep.
_MIN_VARIANCE = 1e-8
_NEVER = -1e30


class Aux(NamedTuple):
    """What the loss saw.

    Attributes:
      confident_share: float32 scalar, confident pixels over valid ones.
      per_image: float32 [B], the loss of each image.
    """

    confident_share: Array
    per_image: Array


def inter_pixel_loss(
    student_logits: Array,
    teacher_logits: Array,
    valid: Array,
    *,
    relation: str,
    distance: str,
    temperature: float,
    threshold: float,
) -> tuple[Array, Aux]:
    """Mean over the batch of a distance between relations of pixels.

    With Omega the valid pixels where the teacher's largest softmax
    probability reaches the threshold, T the temperature, p the teacher's and
    q the student's logits of one image:

    - channel, kl: P = softmax of p/T over Omega, class by class, Q of q;
      T^2 times the mean over classes of KL(P || Q). With every pixel in
      Omega this is channel-wise distillation (Shu et al., 2021).
    - channel, correlation: mean over classes of 1 - Pearson's r over Omega
      of the two softmax maps; classes that the teacher sees nowhere in Omega
      (variance below 1e-8) are left out. With every pixel in Omega this is
      DIST's intra-class term (Huang et al., 2022).
    - pixel, kl: T^2 times the mean over Omega of KL between class
      distributions: the control with no relation between pixels.

    An image with fewer than two pixels in Omega gives 0 and still counts.

    Args:
      student_logits: [B, H, W, C], any float dtype; computed in float32.
      teacher_logits: [B, H, W, C]; no gradient flows into it.
      valid: bool [B, H, W], False on padding.
      relation: "channel" or "pixel".
      distance: "kl", or for the channels also "correlation".
      temperature: divides the logits of the kl distances only.
      threshold: least teacher probability, at temperature 1.

    Returns:
      float32 scalar and Aux.

    Raises:
      ValueError: relation and distance are not a pair above.
    """
    check(relation, distance)
    per_pair = _DISTANCES[relation, distance]
    batch, classes = student_logits.shape[0], student_logits.shape[-1]
    shape = (batch, -1, classes)
    q = student_logits.astype(jnp.float32).reshape(shape)
    p = teacher_logits.astype(jnp.float32).reshape(shape)
    p = jax.lax.stop_gradient(p)
    valid = valid.reshape(batch, -1)
    confident = valid & (jax.nn.softmax(p).max(-1) >= threshold)
    n = confident.sum(-1)
    value = per_pair(q, p, confident, temperature)
    per_image = jnp.where(n >= 2, value, 0.0)
    share = n.sum() / jnp.maximum(valid.sum(), 1)
    return per_image.mean(), Aux(share.astype(jnp.float32), per_image)


def check(relation: str, distance: str) -> None:
    """Raises ValueError, naming the right pairs, for an unknown one."""
    if (relation, distance) not in _DISTANCES:
        pairs = ", ".join("/".join(pair) for pair in _DISTANCES)
        raise ValueError(
            f"inter_pixel.relation={relation!r} with distance={distance!r} is "
            f"not a reading of the loss; the pairs are {pairs}."
        )


def _kl(log_p: Array, log_q: Array, keep: Array, axis: int) -> Array:
    """Sum over axis of exp(log_p) (log_p - log_q) where keep."""
    # The inner where keeps the gradient finite outside: 0 * inf is NaN.
    difference = jnp.where(keep, log_p - jnp.where(keep, log_q, 0.0), 0.0)
    return jnp.sum(jnp.where(keep, jnp.exp(log_p), 0.0) * difference, axis)


def _channel_kl(q: Array, p: Array, confident: Array, temperature) -> Array:
    keep = confident[..., None]

    def log_softmax(x):
        return jax.nn.log_softmax(jnp.where(keep, x / temperature, _NEVER), 1)

    kl = _kl(log_softmax(p), log_softmax(q), keep, 1)
    return temperature**2 * kl.mean(-1)


def _pixel_kl(q: Array, p: Array, confident: Array, temperature) -> Array:
    log_p = jax.nn.log_softmax(p / temperature)
    log_q = jax.nn.log_softmax(q / temperature)
    keep = confident[..., None]
    total = _kl(log_p, log_q, keep, 2).sum(-1)
    return temperature**2 * total / jnp.maximum(confident.sum(-1), 1)


def _channel_correlation(
    q: Array, p: Array, confident: Array, temperature
) -> Array:
    del temperature  # of the KL distances only
    keep = confident[..., None].astype(jnp.float32)
    n = jnp.maximum(keep.sum(1), 1.0)

    def centred(logits):
        y = jax.nn.softmax(logits)
        mean = jnp.sum(y * keep, 1) / n
        return (y - mean[:, None]) * keep

    yq, yp = centred(q), centred(p)
    squares_q, squares_p = jnp.sum(yq * yq, 1), jnp.sum(yp * yp, 1)
    r = jnp.sum(yq * yp, 1) / (_root(squares_q) * _root(squares_p) + _EPS)
    varies = squares_p / n >= _MIN_VARIANCE
    total = jnp.sum(jnp.where(varies, 1.0 - r, 0.0), -1)
    return total / jnp.maximum(varies.sum(-1), 1)


def _root(x: Array) -> Array:
    """sqrt with gradient 0, not infinity, at 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


_DISTANCES = {
    ("channel", "kl"): _channel_kl,
    ("channel", "correlation"): _channel_correlation,
    ("pixel", "kl"): _pixel_kl,
}
