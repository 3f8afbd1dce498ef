"""The inter-pixel consistency loss, with one file for each reading."""

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss

__all__ = ["inter_pixel_loss"]
