"""What every method is given and what it gives back."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from jax import Array

Variables = dict[str, Any]  # {"params": ..., "batch_stats": ...}
# (c1, ..., c4) -> the same, changed
Perturb = Callable[[tuple[Array, ...]], tuple[Array, ...]]


class Forward(Protocol):
    """The network as methods call it."""

    def __call__(
        self,
        variables: Variables,
        images: Array,
        train: bool,
        perturb: Perturb | None = None,
    ) -> tuple[Any, Any]:
        """One pass.

        Args:
          variables: of one network.
          images: normalised float32 [B, H, W, 3].
          train: batch statistics instead of running ones.
          perturb: None, or a change of the encoder's features; clean and
            changed features then share one pass of the decoder.

        Returns:
          float32 logits [B, H, W, C], or with `perturb` a pair of them,
          clean and perturbed; and the new batch statistics (None if not
          `train`).
        """


class Consistency(NamedTuple):
    """One pair of views that should agree.

    Attributes:
      student_logits: float32 [B, H, W, C].
      teacher_logits: float32 [B, H, W, C], CutMixed like the student's image.
      valid: bool [B, H, W], False on padding.
    """

    student_logits: Array
    teacher_logits: Array
    valid: Array


class Views(NamedTuple):
    """One step's images, normalised.

    Attributes:
      labelled: float32 [B, H, W, 3].
      labels: integer [B, H, W], 255 where unlabelled.
      weak: float32 [B, H, W, 3], the unlabelled images; None without any.
      strong: the strong views of the same crops, each float32 [B, H, W, 3].
      box: the CutMix boxes of each strong view, int32 [B, 4] or [B, K, 4].
      valid: bool [B, H, W], False on the padding of unlabelled images.
      drawn: further arrays that a method had drawn for each unlabelled
        image, by name; see data/recipes.py.
    """

    labelled: Array
    labels: Array
    weak: Array | None = None
    strong: tuple[Array, ...] = ()
    box: tuple[Array, ...] = ()
    valid: Array | None = None
    drawn: dict[str, Any] | None = None


class Outcome(NamedTuple):
    """What a method makes of one step.

    Attributes:
      total: float32 scalar, the method's published total; the inter-pixel
        term is added to it outside.
      consistency: the pairs that the inter-pixel term compares.
      batch_stats: the student's, updated.
      metrics: float32 arrays to log; every loss term is among them.
    """

    total: Array
    consistency: list[Consistency]
    batch_stats: Any
    metrics: dict[str, Array]
