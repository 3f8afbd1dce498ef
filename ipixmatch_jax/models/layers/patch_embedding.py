"""Square patches of an image as tokens, by one matrix product."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.dense import Dense
from ipixmatch_jax.models.layers.initialisers import uniform_within


class PatchEmbedding(nn.Module):
    """A linear map of each patch: a convolution whose stride is its kernel.

    Params `kernel` float32 [patch * patch * C, features], whose rows run over
    (row, column, channel) of the patch, and `bias` [features].

    Attributes:
      features: channels of a token.
      patch: side of a patch in pixels.
      dtype: compute dtype.
    """

    features: int
    patch: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps images [B, H, W, C] to tokens [B, H / patch, W / patch, F].

        Raises:
          ValueError: H or W is not a multiple of the patch.
        """
        b, height, width, channels = images.shape
        check_sides((height, width), self.patch)
        h, w = height // self.patch, width // self.patch
        x = images.astype(self.dtype)
        x = x.reshape(b, h, self.patch, w, self.patch, channels)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, -1)
        init = uniform_within(x.shape[-1])
        return Dense(
            self.features,
            dtype=self.dtype,
            kernel_init=init,
            bias_init=init,
            name="linear",
        )(x)


def check_sides(size: tuple[int, int], multiple: int) -> None:
    """Raises ValueError unless both sides are multiples of the patch.

    Args:
      size: height and width of the images.
      multiple: the patch's side; the sentence names the nearest right sides.
    """
    wrong = [side for side in size if side % multiple or side < multiple]
    if not wrong:
        return
    nearest = []
    for side in dict.fromkeys(wrong):
        low = side // multiple * multiple
        right = [str(n) for n in (low, low + multiple) if n]
        nearest.append(f"{' or '.join(right)} instead of {side}")
    raise ValueError(
        f"images of {size[0]}x{size[1]} do not fit patches of "
        f"{multiple}x{multiple} pixels: take a side of {'; '.join(nearest)}."
    )
