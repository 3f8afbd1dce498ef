"""A segmentation network: an encoder and a head."""

import jax
import jax.numpy as jnp

from ipixmatch_jax.models.heads.deeplab import DeepLabV3Plus


def variable_shapes(network: DeepLabV3Plus):
    """ShapeDtypeStructs of the network's params and batch_stats."""
    images = jnp.zeros((1, 65, 65, network.channels), jnp.float32)
    return jax.eval_shape(
        lambda key: network.init(key, images, False), jax.random.key(0)
    )
