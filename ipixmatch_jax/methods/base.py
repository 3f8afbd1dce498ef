"""What a method is, what it takes and what it returns."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.data.augment import view_recipes

# Who labels the unlabelled images, the values of the field `teacher`: the
# averaged weights, or the weights that learn.
AVERAGED, SHARED = "ema", "shared"

# The variables of one network: {"params": ..., "batch_stats": ...}.
Variables = dict[str, Any]
# Changes the encoder's feature maps; returns as many maps of the same shapes.
Perturb = Callable[[tuple[Array, ...]], tuple[Array, ...]]


class NetworkOutput(NamedTuple):
    """What the network says of a batch of images.

    Attributes:
      logits: float32 [B, H, W, C], at the images' size.
      head_logits: float32 [B, h, w, C], the head's own map, which `logits`
        are interpolated from; None where nothing needs it.
      features: float [B, g, k, F], the head's features, see models/base.py;
        None where nothing needs them.
    """

    logits: Array
    head_logits: Array | None = None
    features: Array | None = None


class Forward(Protocol):
    """The network as methods call it."""

    def __call__(
        self,
        variables: Variables,
        images: Array,
        train: bool,
        perturb: Perturb | None = None,
        keep_clean: bool = True,
    ) -> tuple[Any, Any]:
        """Runs the network once.

        Args:
          variables: of one network.
          images: normalised float32 [B, H, W, C].
          train: normalise with the batch's statistics instead of the running
            ones.
          perturb: None, or a function that changes the encoder's features;
            the decoder then sees clean and changed features in one batch.
          keep_clean: False: with `perturb`, the decoder sees the changed
            features alone.

        Returns:
          a NetworkOutput, or with `perturb` and `keep_clean` two of them,
          clean and perturbed; and the new batch statistics (None unless
          `train`).
        """


class Consistency(NamedTuple):
    """A student's and a teacher's outputs that should agree.

    Attributes:
      student: of images that may be CutMixed.
      teacher: CutMixed like the student's images.
      valid: bool [B, H, W], False on padding.
    """

    student: NetworkOutput
    teacher: NetworkOutput
    valid: Array


class Views(NamedTuple):
    """One step's images, normalised.

    Attributes:
      labelled: float32 [B, H, W, 3].
      labels: integer [B, H, W], 255 where unlabelled.
      weak: float32 [B, H, W, 3], the unlabelled images; None without any.
        Methods read it and `valid` with `unlabelled`.
      strong: the strong views of the same crops, each float32 [B, H, W, 3].
      box: the CutMix boxes of each strong view, int32 [B, 4] or [B, K, 4].
      valid: bool [B, H, W], False on the padding of unlabelled images.
      drawn: further arrays that a method had drawn for each unlabelled
        image, by name; see data/augment/view_recipes.py.
      mesh: of the devices that hold the images; None: one device.
    """

    labelled: Array
    labels: Array
    weak: Array | None = None
    strong: tuple[Array, ...] = ()
    box: tuple[Array, ...] = ()
    valid: Array | None = None
    drawn: dict[str, Any] | None = None
    mesh: Mesh | None = None

    def unlabelled(self) -> tuple[Array, Array]:
        """The weak view of the unlabelled images, and its valid pixels.

        Raises:
          ValueError: the step has no unlabelled images.
        """
        if self.weak is None or self.valid is None:
            raise ValueError(
                "The method needs unlabelled images, and the step has none."
            )
        return self.weak, self.valid


class Outcome(NamedTuple):
    """The result of a method for one step.

    Attributes:
      total: float32 scalar, the method's published total; the inter-pixel
        term is added to it outside.
      consistency: the pairs that the inter-pixel term compares.
      batch_stats: the student's, updated.
      metrics: float32 arrays to log; every loss term is among them.
      labelled: the student's outputs of the labelled images, one for each
        network that learns, which `inter_pixel.labelled` compares with the
        truth.
    """

    total: Array
    consistency: list[Consistency]
    batch_stats: Any
    metrics: dict[str, Array]
    labelled: tuple[NetworkOutput, ...] = ()


# Fields of a config by their paths, such as "train.steps", and their values.
Fields = Mapping[str, Any]


class TrainingRecipe(NamedTuple):
    """The fields of a config that go with a method.

    UniMatch v1's recipe is the start, which configuration/fields.py and the
    data set's own file in configs/ hold; these fields replace its values.

    Attributes:
      everywhere: for every data set.
      published: by the name of the data set, the recipe that the method's
        authors published for it: a function of the number of images in the
        split's unlabelled list.
    """

    everywhere: Fields = MappingProxyType({})
    published: Mapping[str, Callable[[int], Fields]] = MappingProxyType({})


# Replaces nothing.
UNIMATCH_V1 = TrainingRecipe()


@dataclasses.dataclass(frozen=True)
class Method:
    """A method: everything that the rest of the package needs to know of it.

    Attributes:
      loss: (forward, student, teacher, views, *, labelled_loss, threshold,
        unlabelled_weight) -> Outcome; see methods/fixmatch.py for their
        meaning.
      views: which views of the unlabelled images it needs; None: it uses the
        labelled images alone.
      teacher: the values of the field `teacher` that it can do with.
      networks: names of the networks that learn. With several, `student`
        holds all of them, see methods/networks.py.
      compares_views: its outcome has Consistency pairs, so that the
        inter-pixel loss has something to compare.
      recipe: the fields of a config that go with it.
    """

    loss: Callable[..., Outcome]
    views: view_recipes.Recipe | None = view_recipes.STRONG
    teacher: tuple[str, ...] = (AVERAGED, SHARED)
    networks: tuple[str, ...] = ("student",)
    compares_views: bool = True
    recipe: TrainingRecipe = UNIMATCH_V1

    @property
    def uses_unlabelled(self) -> bool:
        """Whether it needs unlabelled images."""
        return self.views is not None
