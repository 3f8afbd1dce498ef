"""The inter-pixel consistency loss, which IPixMatch adds to its host.

The paper (arXiv 2404.18891) says that it compares the soft predictions of
teacher and student over the teacher's confident pixels, with a KL divergence
or a correlation, and changes no network. The relation, softmax axis,
temperature, form of the threshold, reduction and weight are our readings of
the paper; see docs/inter_pixel_loss.md.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.utils.by_platform import by_platform

# On a CPU a reading that is not tiled takes this many blocks of pixels at a
# time: with two images of 21 classes they fit its caches.
_BLOCKS = 4


class Aux(NamedTuple):
    """Statistics of the loss.

    Attributes:
      confident_share: float32 scalar, the share of the valid pixels that are
        confident, among those that the stride keeps.
      per_image: float32 [B], the loss of each image.
    """

    confident_share: Array
    per_image: Array


def inter_pixel_loss(
    student_logits: Array,
    teacher_logits: Array,
    valid: Array,
    gate_logits: Array | None = None,
    *,
    relation: str,
    distance: str,
    temperature: float,
    threshold: float,
    block: int = 512,
    stride: int = 1,
    agents: int = 64,
) -> tuple[Array, Aux]:
    """Mean over the batch of a distance between relations of pixels.

    With Omega the valid pixels where the teacher's largest softmax
    probability reaches the threshold, T the temperature, p the teacher's and
    q the student's logits of one image, y their softmax over the classes:

    - channel, kl: P = softmax of p/T over Omega, class by class, Q of q;
      T^2 times the mean over classes of KL(P || Q). With every pixel in
      Omega this is channel-wise distillation (Shu et al., 2021).
    - channel, correlation: mean over classes of 1 - Pearson's r over Omega
      of the two softmax maps; classes that the teacher sees nowhere in Omega
      (variance below 1e-8) are left out. With every pixel in Omega this is
      DIST's intra-class term (Huang et al., 2022).
    - affinity, mse: with f = y / |y| and A_ij = f_i . f_j over Omega, the
      mean over i, j of (A^q_ij - A^p_ij)^2.
    - affinity, correlation: mean over i of 1 - Pearson's r over j of A^q_ij
      and A^p_ij; rows of A^p with a variance below 1e-8 are left out.
    - affinity, kl: T^2 times the mean over i of KL between the softmax over
      j of A^p_ij / T and that of A^q_ij / T.
    - pixel, kl: T^2 times the mean over Omega of KL between class
      distributions: the control with no relation between pixels.
    - dist, correlation: DIST's pair, that is channel, correlation plus the
      mean over Omega of 1 - Pearson's r over the classes of y^q and y^p of a
      pixel; pixels where y^p has a variance below 1e-8 are left out.
    - agents, kl: of features in place of logits, with B_ik the cosine of the
      features of pixel i and of agent k: T^2 times the mean over i in Omega
      of KL between the softmax over k of B^p_ik / T and that of B^q_ik / T.
      The agents are up to 64 pixels of Omega that are hardly alike in the
      teacher's features (RankMatch's idea; the loss is ours).

    All are exact at every resolution, with memory linear in the number of
    pixels; only affinity, kl takes quadratic time. They are computed from
    differences of q and p taken pixel by pixel, never from a difference of
    two sums over the image, so near q = p value and gradient are as exact as
    those small differences are in float32. The gradient is written by hand
    and computed with the value; second derivatives are not available.

    An image with fewer than two pixels in Omega gives 0 and still counts.

    Args:
      student_logits: [B, H, W, C], any float dtype; computed in float32. For
        "agents", features.
      teacher_logits: [B, H, W, C]; no gradient flows into it.
      valid: bool [B, H, W], False on padding.
      gate_logits: [B, H, W, K], the teacher's logits that the threshold is
        for, where features are compared; None: teacher_logits.
      relation: "channel", "affinity", "pixel", "dist" or "agents".
      distance: "kl" for all but "dist"; "correlation" for "channel",
        "affinity" and "dist"; "mse" for "affinity".
      temperature: above 0; divides the logits or similarities in the kl
        distances. No gradient flows into it.
      threshold: least teacher probability, at temperature 1.
      block: pixels along a side of the tiles of affinity, kl; its memory
        grows with the square. On a CPU the other readings process four times
        as many pixels at a time, elsewhere all of them at once.
      stride: 1 compares every pixel; s every s-th row and column, which is an
        approximation.
      agents: the most pixels that "agents" compares all others with.

    Returns:
      float32 scalar and Aux.

    Raises:
      ValueError: relation and distance are not one of the pairs above, or
        block, stride or agents is below 1.
    """
    check_reading(relation, distance)
    if min(block, stride, agents) < 1:
        raise ValueError(
            f"inter_pixel.block={block}, inter_pixel.stride={stride} and "
            f"inter_pixel.agents={agents} are counts of pixels: each is at "
            "least 1."
        )
    q, p = (
        jnp.asarray(x[:, ::stride, ::stride], jnp.float32)
        for x in (student_logits, teacher_logits)
    )
    p = jax.lax.stop_gradient(p)
    valid = valid[:, ::stride, ::stride]
    gate = p
    if gate_logits is not None:
        gate = gate_logits[:, ::stride, ::stride].astype(jnp.float32)
        gate = jax.lax.stop_gradient(gate)
    confident = valid & (_confidence(gate) >= threshold)
    temperature = jax.lax.stop_gradient(jnp.float32(temperature))

    how = _How(relation, distance, block, agents)
    image_loss = functools.partial(_image_loss, how)
    # On a CPU, XLA takes forty times as long with a batch axis of one.
    if len(q) == 1:
        per_image = image_loss(q[0], p[0], confident[0], temperature)[None]
    else:
        per_image = jax.vmap(image_loss, (0, 0, 0, None))(
            q, p, confident, temperature
        )
    per_image = jnp.where(confident.sum((1, 2)) >= 2, per_image, 0.0)
    share = confident.sum() / jnp.maximum(valid.sum(), 1)
    return per_image.mean(), Aux(share.astype(jnp.float32), per_image)


class _How(NamedTuple):
    """What the program of one image is compiled for; see inter_pixel_loss."""

    relation: str
    distance: str
    block: int
    agents: int


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _image_loss(how, q, p, keep, temperature) -> Array:
    """The loss of one image."""
    return _forward(how, q, p, keep, temperature)[0]


def _forward(how, q, p, keep, temperature) -> tuple[Array, tuple]:
    reading, image = READINGS[how.relation, how.distance], Image(q, p, keep)
    compare = reading.compare
    if reading.of_features:
        compare = functools.partial(compare, agents=how.agents)
    value, saved = _run(compare, how, image, temperature)
    if reading.slope is None:
        return value, (saved,)
    return value, (saved, image, temperature)


def _backward(how, saved, cotangent):
    reading = READINGS[how.relation, how.distance]
    if reading.slope is None:
        slope = cotangent * saved[0]
    else:
        saved, image, temperature = saved
        slope = _run(reading.slope, how, image, temperature, saved, cotangent)
    # No gradient for the teacher, the mask and the temperature.
    return slope, None, None, None


_image_loss.defvjp(_forward, _backward)


def _run(function: Callable, how: _How, image: Image, *given: Any) -> Any:
    """function(image, given[0], size, *given[1:]) in blocks or at once."""

    def at_once(image, temperature, *more):
        return function(image, temperature, None, *more)

    def unflatten(x, image):
        # Of what a reading returns, only a slope is [N, C].
        return x.reshape(image.q.shape) if x.ndim == 2 else x

    def in_blocks(count):
        def run(image, temperature, *more):
            flat = Image(*(x.reshape(-1, *x.shape[2:]) for x in image))
            found = function(flat, temperature, count * how.block, *more)
            return jax.tree.map(lambda x: unflatten(x, image), found)

        return run

    if READINGS[how.relation, how.distance].tiled:
        return in_blocks(1)(image, *given)
    # Other devices have no such cache: all pixels at once cost least.
    return by_platform(image, *given, cpu=in_blocks(_BLOCKS), default=at_once)


def check_reading(relation: str, distance: str) -> None:
    """Raises ValueError for an unknown pair; lists the known ones."""
    if (relation, distance) not in READINGS:
        pairs = ", ".join("/".join(pair) for pair in READINGS)
        raise ValueError(
            f"inter_pixel.relation={relation!r} with distance={distance!r} is "
            f"not a reading of the loss; the pairs are {pairs}."
        )


def _confidence(logits: Array) -> Array:
    """The largest softmax probability of every pixel."""
    top = logits.max(-1, keepdims=True)
    return 1 / jnp.exp(logits - top).sum(-1)
