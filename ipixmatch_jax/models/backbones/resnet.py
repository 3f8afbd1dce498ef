"""ResNet encoder with bottleneck blocks and dilated last stages."""

import functools
import itertools
import operator

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.backbones.resnet_sizes import SIZES
from ipixmatch_jax.models.base import Backbone
from ipixmatch_jax.models.layers.conv import ConvNorm, max_pool, shrink_sizes
from ipixmatch_jax.models.layers.repeated_block import repeated_block
from ipixmatch_jax.models.weights import load

STEMS = ("deep", "7x7")
# Stride and dilation of the four stages at each output stride.
_STRIDES = {16: (1, 2, 2, 1), 8: (1, 2, 1, 1)}
_DILATIONS = {16: (1, 1, 1, 2), 8: (1, 1, 2, 4)}

EXPANSION = 4


def stage_names(blocks: tuple[int, ...]) -> list[str]:
    """The names stem, layer1, layer2 and so on."""
    return ["stem", *(f"layer{i + 1}" for i in range(len(blocks)))]


class Bottleneck(nn.Module):
    """1x1, 3x3 (stride and dilation here), 1x1 to 4 * width, plus shortcut."""

    width: int
    stride: int = 1
    dilation: int = 1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool, sizes: jax.Array | None
    ) -> jax.Array:
        """Maps x to [B, ceil(H / stride), ceil(W / stride), 4 * width].

        `sizes` int32 [B, 2] or None are the true sizes of x.
        """
        out = self.width * EXPANSION
        small = shrink_sizes(sizes, self.stride)
        y = ConvNorm(self.width, dtype=self.dtype, name="conv1")(
            x, train, sizes
        )
        y = ConvNorm(
            self.width,
            3,
            self.stride,
            self.dilation,
            dtype=self.dtype,
            name="conv2",
        )(y, train, small)
        y = ConvNorm(out, relu=False, dtype=self.dtype, name="conv3")(
            y, train, small
        )
        if self.stride != 1 or x.shape[-1] != out:
            x = ConvNorm(
                out,
                stride=self.stride,
                relu=False,
                dtype=self.dtype,
                name="downsample",
            )(x, train, small)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """ResNet-50/101 as in UniMatch v1.

    Attributes:
      blocks: bottlenecks per stage, of three or four stages.
      width: width of the first stage before its expansion by 4.
      stem: "deep" (three 3x3, UniMatch's) or "7x7" (torchvision's).
      output_stride: 16 or 8, of the last features.
      dtype: compute dtype.
      remat: keep only the input of each block for the gradient and compute
        the rest again; variables and numbers stay the same.
    """

    blocks: tuple[int, ...]
    width: int = 64
    stem: str = "deep"
    output_stride: int = 16
    dtype: jnp.dtype = jnp.float32
    remat: bool = False

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the stages' outputs in pixels."""
        strides = itertools.accumulate(
            _STRIDES[self.output_stride], operator.mul, initial=4
        )
        return tuple(strides)[1 : 1 + len(self.blocks)]

    @property
    def side_multiple(self) -> int:
        """Images may have any size."""
        return 1

    @property
    def exact_when_padded(self) -> bool:
        """Every layer keeps the padding at 0; see models/base.py."""
        return True

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool, sizes: jax.Array | None = None
    ) -> tuple[jax.Array, ...]:
        """Encodes normalised images.

        Args:
          x: float [B, H, W, C], zero outside the true sizes.
          train: batch statistics instead of running ones.
          sizes: int32 [B, 2], true height and width, or None.

        Returns:
          (c1, c2, c3, c4) in `dtype`, at ceil(H / 4), ceil(H / 8),
          ceil(H / 16) and ceil(H / output_stride), channels width * 4,
          * 8, * 16, * 32 (c3 at 8 too when output_stride is 8). Three
          stages end with c3.
        """
        x = self._stem(x.astype(self.dtype), train, sizes)
        sizes = shrink_sizes(shrink_sizes(sizes, 2), 2)
        features = []
        strides = _STRIDES[self.output_stride]
        dilations = _DILATIONS[self.output_stride]
        previous = 1
        block = repeated_block(
            Bottleneck,
            remat=self.remat,
            drawing=self.is_initializing(),
            static_argnums=(2,),  # train, of (self, x, train, sizes)
        )
        for stage, count in enumerate(self.blocks):
            for index in range(count):
                first = index == 0
                x = block(
                    self.width * 2**stage,
                    strides[stage] if first else 1,
                    # torchvision's rule: the first block of a dilated stage
                    # keeps the dilation of the stage before.
                    previous if first else dilations[stage],
                    dtype=self.dtype,
                    name=f"layer{stage + 1}_{index}",
                )(x, train, sizes)
                if first:
                    sizes = shrink_sizes(sizes, strides[stage])
            previous = dilations[stage]
            features.append(x)
        return tuple(features)

    def _stem(self, x, train, sizes):
        half = shrink_sizes(sizes, 2)
        if self.stem == "7x7":
            layers = [(self.width, 7, 2)]
        else:
            layers = [(self.width, 3, 2), (self.width, 3, 1)]
            layers.append((2 * self.width, 3, 1))
        for index, (features, kernel, stride) in enumerate(layers):
            x = ConvNorm(
                features,
                kernel,
                stride,
                dtype=self.dtype,
                name=f"stem_{index + 1}",
            )(x, train, half)
        # After ReLU nothing is negative, so padding with zeros equals
        # torch's padding with minus infinity.
        return max_pool(x)


def build_resnet(
    size: str,
    *,
    dtype: jnp.dtype = jnp.float32,
    stem: str = "deep",
    output_stride: int = 16,
    remat: bool = False,
) -> ResNet:
    """A ResNet of a size of resnet_sizes.py.

    Raises:
      ValueError: the stem or the output stride is unknown; lists the known.
    """
    for field, value, known in (
        ("stem", stem, STEMS),
        ("output_stride", output_stride, tuple(_STRIDES)),
    ):
        if value not in known:
            raise ValueError(
                f"model.{field} is {value!r}; choose one of: "
                f"{', '.join(map(str, known))}"
            )
    blocks, width = SIZES[size]
    return ResNet(blocks, width, stem, output_stride, dtype, remat)


_HUB_50 = {"deep": "timm/resnet50s.gluon_in1k", "7x7": "timm/resnet50.tv_in1k"}
_HUB_101 = {
    "deep": "timm/resnet101s.gluon_in1k",
    "7x7": "timm/resnet101.tv_in1k",
}


def _entry(size: str, **more) -> Backbone:
    names = stage_names(SIZES[size][0])
    return Backbone(
        build=functools.partial(build_resnet, size),
        head="deeplabv3plus",
        stages={name: rf"{name}_\d+/" for name in names},
        fields=("stem", "output_stride", "remat"),
        load_weights=load.load_weights,
        **more,
    )


R50 = _entry("r50", hub_weights=_HUB_50)
R101 = _entry("r101", hub_weights=_HUB_101)
TINY = _entry("tiny", for_cpus=True)
# What fine-tunes ImageNet weights in minutes on a CPU (ours).
R50C4 = _entry(
    "r50c4",
    hub_weights=_HUB_50,
    short_recipe={
        "model.stem": "7x7",
        "model.freeze": "stem,layer1",
        "data.crop_size": 113,
        "train.steps": 400,
        "train.batch_size": 4,
        "train.learning_rate": 4e-3,
        "train.head_multiplier": 5.0,
        "train.eval_every": 200,
        "train.save_every": 200,
        # A run this short has no time for a slow teacher or a strict one.
        "ema.decay": 0.99,
        "pseudo_label.threshold": 0.9,
        "inter_pixel.threshold": 0.9,
        "inter_pixel.warmup_steps": 100,
    },
)
