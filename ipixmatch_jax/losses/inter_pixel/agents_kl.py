"""KL between similarities to a few agent pixels of the same image.

RankMatch compares how similar each pixel's features are to about 64 pixels that
are hardly similar to each other. The idea is its authors'; what is below is
ours and is not RankMatch's loss, which compares rankings of the similarities.

The agents are pixels of the teacher's map, and the student's agents are at the
same places. A similarity is the cosine of two features. Where the student is
close to the teacher nothing cancels: the difference of two similarities is
computed from the differences of the features.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image, slope_over_blocks
from ipixmatch_jax.losses.inter_pixel.features import dot
from ipixmatch_jax.losses.inter_pixel.kl_sums import (
    NEVER,
    along_axis,
    divergence,
    fit_block,
    slope_by_logits,
)
from ipixmatch_jax.losses.inter_pixel.pearson import inverse, root
from ipixmatch_jax.losses.inter_pixel.reading import Reading


class Agents(NamedTuple):
    """The pixels that all others are compared with.

    Attributes:
      place: int32 [K], where they are in the image.
      chosen: bool [K], False where Omega has too few pixels for K agents.
    """

    place: Array
    chosen: Array


def agents_kl(
    image: Image, temperature: Array, size: int | None, *, agents: int
) -> tuple[Array, Array]:
    """T^2 mean over i of KL(softmax_k(B^p_ik / T) || softmax_k(B^q_ik / T)).

    B_ik is the cosine of the features of pixel i and of agent k. The gradient
    flows through both. Ours. O(N K F) time.

    Args:
      image: of N pixels with F features instead of logits.
      temperature: float32 scalar, T.
      size: pixels of a block, see blocks.py.
      agents: K; all pixels of Omega are agents where it has fewer.

    Returns:
      float32 scalar, and its slope by the student's features, float32 [N, F].
    """
    n, rate = image.count_kept(), 1 / temperature
    place, chosen = choose_agents(image.p, image.keep, agents)
    agent_q, agent_p = (_unit(x[place]) for x in (image.q, image.p))
    agent_d = agent_q - agent_p
    along = along_axis(-1)

    def make(sums, q, p, keep, fresh):
        total, by_agent = sums
        f, g = _unit(q), _unit(p)
        teacher = dot(g, agent_p.T)
        # f.f' - g.g' = m.d' + d.m', with d = f - g and m = (f + g) / 2.
        change = dot(g + (f - g) / 2, agent_d.T)
        change += dot(f - g, (agent_p + agent_d / 2).T)
        s, t = (
            jnp.where(chosen, x, NEVER) for x in (teacher + change, teacher)
        )
        fit = fit_block(s, t, rate, along)
        counts = keep & fresh
        total += jnp.sum(jnp.where(counts, divergence(fit), 0.0))
        weights = slope_by_logits(fit, s, t, rate) * (temperature / n)
        weights = jnp.where(keep, weights, 0.0)
        by_agent += dot(jnp.where(fresh, weights, 0.0).T, f)
        return (total, by_agent), _slope_by_features(q, dot(weights, agent_q))

    start = jnp.zeros(()), jnp.zeros_like(agent_q)
    (total, by_agent), slope = slope_over_blocks(make, start, image, size)
    # A pixel moves the others' similarities too if it is an agent.
    more = _slope_by_features(image.q[place], by_agent)
    slope = slope.at[place].add(jnp.where(chosen[:, None], more, 0.0))
    return temperature**2 * total / n, slope


def choose_agents(features: Array, keep: Array, count: int) -> Agents:
    """Pixels that are as dissimilar to each other as a greedy choice finds.

    The first is the one with the least |cosine| to the mean of the unit
    features. Each next one is the pixel whose largest |cosine| to the pixels
    before is least. The first pixel wins a tie, so the choice is
    deterministic. A pixel without any feature above 0 is not chosen.

    Args:
      features: float32 [N, F].
      keep: bool [N], Omega.
      count: K.
    """
    norms = root(jnp.sum(features * features, -1))
    scale = inverse(norms)
    free = keep & (norms > 0)
    mean = dot(jnp.where(free, scale, 0.0), features)

    def cosines(direction):
        return jnp.abs(dot(features, direction)) * scale

    def choose(state, number):
        free, closeness = state
        index = jnp.argmin(jnp.where(free, closeness, jnp.inf))
        chosen = free[index]
        to_it = cosines(features[index] * scale[index])
        # The mean only served to choose the first.
        closeness = jnp.where(number == 0, to_it, jnp.maximum(closeness, to_it))
        return (free.at[index].set(False), closeness), (index, chosen)

    start = free, cosines(mean)
    _, (index, chosen) = jax.lax.scan(choose, start, jnp.arange(count))
    return Agents(index, chosen)


def _unit(x: Array) -> Array:
    """Features at unit length, [..., F]; 0 where all features are 0."""
    return x * inverse(root(jnp.sum(x * x, -1, keepdims=True)))


def _slope_by_features(x: Array, slope: Array) -> Array:
    """Turns a slope by the unit features into one by the features x."""
    scale = inverse(root(jnp.sum(x * x, -1, keepdims=True)))
    unit = x * scale
    along = jnp.sum(slope * unit, -1, keepdims=True)
    return (slope - along * unit) * scale


READING = Reading(agents_kl, tiled=True, of_features=True)
