"""A segmentation network: an encoder and a head behind one interface."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.conv import shrink_sizes, zero_outside
from ipixmatch_jax.models.layers.resize import resize_align_corners


class Maps(NamedTuple):
    """What a network says of a batch of images.

    Attributes:
      logits: float32 [B, H, W, K], at the images' size.
      own: float32 [B, h, w, K], the head's own map before it.
      features: float [B, g, k, F], the head's features, see models/base.py;
        None where the head shows none.
    """

    logits: jax.Array
    own: jax.Array
    features: jax.Array | None


class Segmenter(nn.Module):
    """A network; its params are `backbone` and `head`.

    Attributes:
      backbone: an Encoder, see models/base.py.
      head: a HeadModule, see models/base.py.
      mean, std: one number per channel of the images on [0, 1], with which
        callers normalise them; None: ImageNet's three.
    """

    backbone: nn.Module
    head: nn.Module
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def channels(self) -> int:
        """How many channels C the images have."""
        return 3 if self.mean is None else len(self.mean)

    @property
    def num_classes(self) -> int:
        """How many channels K the logits have."""
        return self.head.num_classes

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the feature maps in pixels, the finest first."""
        return self.backbone.strides

    @property
    def side_multiple(self) -> int:
        """The images' sides must be multiples of it."""
        return self.backbone.side_multiple

    @property
    def exact_when_padded(self) -> bool:
        """Whether `sizes` can be given; see `__call__`."""
        return self.backbone.exact_when_padded and self.head.exact_when_padded

    @property
    def shows_features(self) -> bool:
        """Whether the head shows features; see models/base.py."""
        return hasattr(self.head, "with_features")

    @property
    def untrained(self) -> tuple[str, ...]:
        """Paths of params that no output depends on, such as a mask token.

        They have no gradient in torch, whose optimisers leave them as they
        are; ours must be told.
        """
        parts = ("backbone", self.backbone), ("head", self.head)
        return tuple(
            f"{name}/{path}"
            for name, part in parts
            for path in getattr(part, "untrained", ())
        )

    def encode(
        self,
        images: jax.Array,
        train: bool,
        sizes: jax.Array | None = None,
    ) -> tuple[jax.Array, ...]:
        """Feature maps of images [B, H, W, C], the finest first."""
        if sizes is None:
            return self.backbone(images, train)
        if train:
            raise ValueError(
                "sizes is for evaluation: batch statistics would count the "
                "padding; pass train=False or sizes=None"
            )
        if not self.exact_when_padded:
            raise ValueError(
                "this network cannot tell padding from image: give it images "
                "without padding, and sizes=None"
            )
        return self.backbone(zero_outside(images, sizes), train, sizes)

    def decode(
        self,
        features: tuple[jax.Array, ...],
        size: tuple[int, int],
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Logits float32 [B, *size, K] of the features from `encode`."""
        return self.decode_with_head(features, size, train, sizes)[0]

    def decode_with_head(
        self,
        features: tuple[jax.Array, ...],
        size: tuple[int, int],
        train: bool,
        sizes: jax.Array | None = None,
    ) -> Maps:
        """`decode`, with the maps of the head that come before it."""
        own_sizes = () if sizes is None else (sizes,)
        if self.shows_features:
            own, inner = self.head.with_features(features, train, *own_sizes)
        else:
            own, inner = self.head(features, train, *own_sizes), None
        if sizes is None:
            return Maps(resize_align_corners(own, size), own, inner)
        small = shrink_sizes(sizes, self.strides[0])
        return Maps(resize_align_corners(own, size, small, sizes), own, inner)

    def with_head(self, images: jax.Array, train: bool) -> Maps:
        """Logits at the images' size, and the head's maps before them."""
        features = self.encode(images, train)
        return self.decode_with_head(features, _size_hw(images), train)

    def perturbed(
        self, images: jax.Array, train: bool, perturb: Callable
    ) -> Maps:
        """`with_head` of the perturbed features alone.

        The arguments are those of `clean_and_perturbed` (UniMatch V2).
        """
        features = perturb(self.encode(images, train))
        return self.decode_with_head(features, _size_hw(images), train)

    def clean_and_perturbed(
        self, images: jax.Array, train: bool, perturb: Callable
    ) -> tuple[Maps, Maps]:
        """`with_head` of images and of their perturbed features (UniMatch v1).

        Args:
          images: normalised, float [B, H, W, C].
          train: see `__call__`; the head's batch statistics are over clean
            and perturbed features together.
          perturb: changes the feature maps; returns as many of the same
            shapes.

        Returns:
          clean and perturbed.
        """
        clean = self.encode(images, train)
        # Interleaved, each image stays on its device; see methods/common.py.
        both = jax.tree.map(
            lambda a, b: jnp.stack([a, b], 1).reshape(-1, *a.shape[1:]),
            clean,
            perturb(clean),
        )
        maps = self.decode_with_head(both, _size_hw(images), train)
        turns = jax.tree.map(lambda x: x.reshape(-1, 2, *x.shape[1:]), maps)
        return (
            jax.tree.map(lambda x: x[:, 0], turns),
            jax.tree.map(lambda x: x[:, 1], turns),
        )

    def __call__(
        self,
        images: jax.Array,
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Logits at the images' own size.

        Args:
          images: normalised, float [B, H, W, C].
          train: normalise with the batch's statistics instead of the running
            ones; `batch_stats` must then be mutable.
          sizes: int32 [B, 2], true height and width of each image inside
            the padded array. The logits inside are those of the image without
            padding, and 0 outside. A size of 0 marks an empty place. None: no
            padding, at no cost.

        Returns:
          float32 [B, H, W, K].

        Raises:
          ValueError: `sizes` with `train`, or with a network that is not
            `exact_when_padded`.
        """
        features = self.encode(images, train, sizes)
        return self.decode(features, _size_hw(images), train, sizes)


def _size_hw(images: jax.Array) -> tuple[int, int]:
    return images.shape[1], images.shape[2]


def draw_variables(
    network: Segmenter, side: int, key: jax.Array
) -> dict[str, Any]:
    """Random params and batch_stats of a network.

    Args:
      network: to be started.
      side: of the images that trace it, in pixels; a multiple of its
        side_multiple. The variables do not depend on it.
      key: a JAX key.

    Returns:
      float32 {"params", "batch_stats"}; the latter is empty in a network
      without batch norm.
    """
    images = jnp.zeros((1, side, side, network.channels), jnp.float32)
    # Without jit, each operation would be compiled as a program of its own.
    init = jax.jit(lambda key: network.init(key, images, False))
    return {"batch_stats": {}, **init(key)}


def variable_shapes(network: Segmenter) -> dict[str, Any]:
    """ShapeDtypeStructs of the network's params and batch_stats."""
    # New dicts, which a caller may change.
    return jax.tree.map(lambda shape: shape, _trace_shapes(network))


# A run asks for them several times.
@functools.lru_cache(maxsize=16)
def _trace_shapes(network):
    multiple = network.side_multiple
    side = -(-65 // multiple) * multiple
    return jax.eval_shape(
        functools.partial(draw_variables, network, side), jax.random.key(0)
    )
