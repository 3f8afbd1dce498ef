"""Complementary channel dropout of UniMatch V2's two strong views."""

import jax
import jax.numpy as jnp
from jax import Array

Masks = tuple[Array, ...]


def complementary_masks(
    seeds: Array, channels: tuple[int, ...]
) -> tuple[Masks, Masks]:
    """Factors of the channels of both views, for each map of an encoder.

    A channel that one view loses, the other has twice. Half of the images,
    rounded down and chosen at random, keep all of theirs in both views. Maps
    of equal channels share one mask (the four taps of a vision transformer,
    which are one network's width); others have one each (a ResNet's stages).

    Args:
      seeds: uint32 [B], one for each unlabelled image.
      channels: of the encoder's maps.

    Returns:
      the factors of view 1 and of view 2, for each map float32 [B, C] with
      values 0 and 2, or 1 in the images that keep theirs.
    """
    keys = jax.vmap(jax.random.key)(seeds)
    lots = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 0)))
    rank = jnp.argsort(jnp.argsort(lots(keys)))
    kept = rank < seeds.shape[0] // 2

    def factors(level):
        def draw(key):
            key = jax.random.fold_in(key, 1 + level)
            return jax.random.bernoulli(key, 0.5, (channels[level],))

        first = 2.0 * jax.vmap(draw)(keys)
        return jnp.where(kept[:, None], 1.0, first)

    if len(set(channels)) == 1:
        first = (factors(0),) * len(channels)
    else:
        first = tuple(factors(level) for level in range(len(channels)))
    return first, tuple(2.0 - factor for factor in first)


def multiply_channels(features: Masks, masks: Masks) -> Masks:
    """Each map [B, h, w, C] times its factors [B, C], in the map's dtype."""
    return tuple(
        x * factor[:, None, None, :].astype(x.dtype)
        for x, factor in zip(features, masks, strict=True)
    )
