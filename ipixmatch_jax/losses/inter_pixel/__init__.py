"""The inter-pixel consistency loss, one file per reading."""

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss

__all__ = ["inter_pixel_loss"]
