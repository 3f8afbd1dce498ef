"""What an encoder and a head are, and how both are registered."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax


class Encoder(Protocol):
    """A Flax module that turns images into feature maps.

    Attributes:
      strides: of its maps in pixels, the finest map first.
      side_multiple: the images' sides must be multiples of it; 1 for any.
      exact_when_padded: it takes `sizes`, and inside them its maps are those
        of the images without padding.

    It may have `untrained`: paths of its params that no output depends on,
    which no optimiser then changes.
    """

    strides: tuple[int, ...]
    side_multiple: int
    exact_when_padded: bool

    def __call__(
        self, images: jax.Array, train: bool, sizes: jax.Array | None = None
    ) -> tuple[jax.Array, ...]:
        """Maps normalised images to features.

        Args:
          images: float [B, H, W, C]; 0 outside `sizes`.
          train: normalise with the batch's statistics.
          sizes: int32 [B, 2], true heights and widths. Passed only to an
            encoder that is `exact_when_padded`.

        Returns:
          one [B, ceil(H / s), ceil(W / s), F] for each stride s.
        """


class HeadModule(Protocol):
    """A Flax module that turns feature maps into logits.

    Attributes:
      num_classes: K.
      exact_when_padded: as of `Encoder`.

    It may have `with_features`, which takes what `__call__` takes and returns
    its logits and the features that they are computed from, float
    [B, g, k, F] of any g, k and F. The inter-pixel term can compare them
    (`inter_pixel.on=features`).
    """

    num_classes: int
    exact_when_padded: bool

    def __call__(
        self,
        features: tuple[jax.Array, ...],
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Maps features to logits float32 [B, h, w, K] of any h and w.

        The caller resizes them to the images' size. `sizes`, true heights and
        widths of the images, are passed only to a head that is
        `exact_when_padded`; its logits are at the stride of the finest map.
        """


class Backbone(NamedTuple):
    """A registered encoder.

    Attributes:
      build: (*, dtype, and the fields below) -> Encoder. dtype is what it
        computes in; its parameters are float32.
      head: the name of the head that it has unless model.head names one.
      stages: its parts in the order of computation, by name, such as stem and
        layer1: a regular expression for the paths of their parameters below
        `backbone/`. model.freeze takes these names.
      fields: those of `model` that it is built with, such as stem.
      load_weights: reads a file of weights into variables, see
        models/weights/load.py; None: no names of tensors are known for it,
        and it always starts from random weights.
      for_cpus: it is small enough to be trained on a CPU from random weights.
      hub_weights: names of the hub with weights for it, by the value of
        model.stem, or under "" where it has none.
      short_recipe: the config fields that fine-tune it on a CPU, for the
        recipes that are short; empty: it has no such recipe.
    """

    build: Callable[..., nn.Module]
    head: str
    stages: Mapping[str, str]
    fields: tuple[str, ...] = ()
    load_weights: Callable[..., dict[str, Any]] | None = None
    for_cpus: bool = False
    hub_weights: Mapping[str, str] = MappingProxyType({})
    short_recipe: Mapping[str, Any] = MappingProxyType({})


class Head(NamedTuple):
    """A registered head.

    Attributes:
      build: (encoder, *, num_classes, dtype) -> HeadModule. Raises ValueError
        with one sentence where it does not fit the encoder.
    """

    build: Callable[..., nn.Module]
