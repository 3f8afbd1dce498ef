"""The readings of the inter-pixel loss, by relation and distance."""

from ipixmatch_jax.losses.inter_pixel.affinity_correlation import (
    READING as AFFINITY_CORRELATION,
)
from ipixmatch_jax.losses.inter_pixel.affinity_kl import READING as AFFINITY_KL
from ipixmatch_jax.losses.inter_pixel.affinity_mse import (
    READING as AFFINITY_MSE,
)
from ipixmatch_jax.losses.inter_pixel.agents_kl import READING as AGENTS_KL
from ipixmatch_jax.losses.inter_pixel.channel_correlation import (
    READING as CHANNEL_CORRELATION,
)
from ipixmatch_jax.losses.inter_pixel.channel_kl import READING as CHANNEL_KL
from ipixmatch_jax.losses.inter_pixel.dist_correlation import (
    READING as DIST_CORRELATION,
)
from ipixmatch_jax.losses.inter_pixel.pixel_kl import READING as PIXEL_KL
from ipixmatch_jax.losses.inter_pixel.reading import Reading
from ipixmatch_jax.utils.registry import Registry

READINGS: Registry[Reading] = Registry(
    "reading of the inter-pixel loss",
    {
        ("channel", "kl"): CHANNEL_KL,
        ("channel", "correlation"): CHANNEL_CORRELATION,
        ("affinity", "mse"): AFFINITY_MSE,
        ("affinity", "correlation"): AFFINITY_CORRELATION,
        ("affinity", "kl"): AFFINITY_KL,
        ("pixel", "kl"): PIXEL_KL,
        ("dist", "correlation"): DIST_CORRELATION,
        ("agents", "kl"): AGENTS_KL,
    },
)
