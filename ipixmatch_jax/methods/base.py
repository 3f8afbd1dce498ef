"""What every method is given and what it gives back."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

Variables = dict[str, Any]  # {"params": ..., "batch_stats": ...}
# forward(variables, images, train) -> float32 logits, new batch statistics
Forward = Callable[[Variables, Array, bool], tuple[Array, Any]]


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
      strong: float32 [B, H, W, 3], the same crops, strongly augmented.
      box: int32 [B, 4], the CutMix box of each strong view.
      valid: bool [B, H, W], False on the padding of unlabelled images.
    """

    labelled: Array
    labels: Array
    weak: Array | None = None
    strong: Array | None = None
    box: Array | None = None
    valid: Array | None = None


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
