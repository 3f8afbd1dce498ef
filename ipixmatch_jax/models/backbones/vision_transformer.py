"""The vision transformer of DINOv2 and DINOv3, as an encoder with four taps."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.layer import Layer
from ipixmatch_jax.models.layers.layer_norm import layer_norm
from ipixmatch_jax.models.layers.patch_embedding import PatchEmbedding
from ipixmatch_jax.models.layers.position_embedding import (
    resize_position_embedding,
)
from ipixmatch_jax.models.layers.repeated_block import repeated_block
from ipixmatch_jax.models.layers.rotary_embedding import rotary_tables
from ipixmatch_jax.models.layers.transformer_block import TransformerBlock

# Meta's: the class and the register tokens start close to zero.
_token = nn.initializers.normal(1e-6)


def stage_patterns(depth: int) -> dict[str, str]:
    """Parts of a transformer in order, each with a pattern of its params."""
    embedding = r"(patch_embed/|cls_token|mask_token|register_tokens|pos_embed)"
    blocks = {f"block_{i}": rf"block_{i}/" for i in range(depth)}
    return {"embedding": embedding, **blocks, "norm": r"norm/"}


class VisionTransformer(Layer):
    """Encodes images as four maps of patches, each normed.

    Params: `patch_embed`, `cls_token` [1, 1, d], `mask_token` [1, d] (only
    pretraining uses it; it is here so that files of weights fit both ways),
    `register_tokens` [1, registers, d], `pos_embed` [1, 1 + grid^2, d],
    `block_0` ..., `norm`.

    Attributes:
      width: channels d of a token.
      depth: number of blocks.
      heads: attention heads of a block.
      taps: the four blocks, counted from 0, whose outputs are returned.
      patch: side of a patch in pixels.
      registers: number of register tokens.
      position: "learnt", "learnt_antialiased" (see position_embedding.py) or
        "rotary".
      grid: side of the learnt embedding in patches.
      gated, key_bias, epsilon, initial_scale, attention: see
        `TransformerBlock`.
      remat: keep each block's input alone for the gradient, and compute the
        rest of it a second time; the same variables and numbers.
      dtype: compute dtype; params, layer norms, sums and softmax are float32.
    """

    width: int
    depth: int
    heads: int
    taps: tuple[int, int, int, int]
    patch: int
    registers: int = 0
    position: str = "learnt"
    grid: int = 37
    gated: bool = False
    key_bias: bool = True
    epsilon: float = 1e-6
    initial_scale: float = 1.0
    attention: Literal["xla", "cudnn"] = "xla"
    remat: bool = False
    dtype: jnp.dtype = jnp.float32

    @property
    def strides(self) -> tuple[int, int, int, int]:
        """Strides of the four maps in pixels."""
        return (self.patch,) * 4

    @property
    def side_multiple(self) -> int:
        """The images' sides must be multiples of it."""
        return self.patch

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of the four maps."""
        return (self.width,) * 4

    @property
    def exact_when_padded(self) -> bool:
        """Never: every token attends to every other, padding too."""
        return False

    @property
    def untrained(self) -> tuple[str, ...]:
        """Params that no output depends on, which an optimiser must keep."""
        return ("mask_token",)

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> tuple[jax.Array, ...]:
        """Encodes normalised images.

        Args:
          images: float [B, H, W, C]; both sides multiples of the patch.
          train: changes nothing, without dropout or batch statistics.

        Returns:
          four maps [B, H / patch, W / patch, d] in `dtype`: the patches of
          the tapped blocks after the final layer norm (UniMatch V2).

        Raises:
          ValueError: a side is not a multiple of the patch; names the
            nearest that are.
        """
        patches = PatchEmbedding(
            self.width, self.patch, self.dtype, name="patch_embed"
        )(images)
        b, h, w, d = patches.shape
        tokens = self._tokens(patches.reshape(b, h * w, d), (h, w))
        rotary = None
        if self.position == "rotary":
            rotary = rotary_tables((h, w), d // self.heads)
        norm = layer_norm(self.epsilon, "norm")
        maps = []
        for index in range(self.depth):
            tokens = self._block(index)(tokens, rotary)
            if index in self.taps:
                tapped = norm(tokens[:, -h * w :]).astype(self.dtype)
                maps.append(tapped.reshape(b, h, w, d))
        return tuple(maps)

    def _tokens(self, patches, grid):
        """Class token, registers and patches with positions, float32."""
        b, _, d = patches.shape
        self.param("mask_token", nn.initializers.zeros, (1, d))
        first = self.param("cls_token", _token, (1, 1, d))
        first = jnp.broadcast_to(first, (b, 1, d))
        tokens = jnp.concatenate([first, patches.astype(jnp.float32)], axis=1)
        if self.position != "rotary":
            shape = (1, 1 + self.grid**2, d)
            init = nn.initializers.normal(0.02)
            tokens += resize_position_embedding(
                self.param("pos_embed", init, shape),
                grid,
                antialias=self.position == "learnt_antialiased",
            )
        if not self.registers:
            return tokens
        shape = (1, self.registers, d)
        registers = self.param("register_tokens", _token, shape)
        registers = jnp.broadcast_to(registers, (b, *shape[1:]))
        return jnp.concatenate([tokens[:, :1], registers, tokens[:, 1:]], 1)

    def _block(self, index):
        block = repeated_block(
            TransformerBlock, remat=self.remat, drawing=self.is_initializing()
        )
        return block(
            self.heads,
            self.gated,
            self.key_bias,
            self.epsilon,
            self.initial_scale,
            self.attention,
            self.dtype,
            name=f"block_{index}",
        )
