"""Confusion matrices and the intersection over union read off them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.utils.labels import IGNORE as IGNORE

_BACKGROUND = ("background", "bg")


def confusion(
    predictions: jax.Array, labels: jax.Array, num_classes: int
) -> jax.Array:
    """Counts pairs of true and predicted class; may be jitted.

    Args:
      predictions: integer [B, ...], class ids below `num_classes`.
      labels: integer [B, ...], class ids, or 255 for pixels that count nowhere.
      num_classes: K; ids from K to 254 count nowhere either.

    Returns:
      int32 [K, K]; rows are the truth, columns the prediction. Add matrices
      up in int64 on the host: 2^31 pixels are a thousand large images.
    """
    # A product of one-hot rows: exact in int32, and a third of the time of
    # counting by scatter on a CPU. What does not count has an empty column.
    truth = _one_hot_rows(labels, num_classes)
    predicted = _one_hot_rows(predictions, num_classes)
    return jnp.einsum(
        "bin,bjn->bij", truth, predicted, preferred_element_type=jnp.int32
    ).sum(0)


def _one_hot_rows(ids, num_classes):
    """int8 [B, K, pixels] of ids [B, ...]."""
    ids = ids.reshape(ids.shape[0], 1, -1).astype(jnp.int32)
    return (ids == jnp.arange(num_classes)[:, None]).astype(jnp.int8)


def iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union per class, in percent.

    As the reference (UniMatch v1): I / (U + 1e-10) * 100, so a class that
    neither truth nor prediction holds scores 0.

    Args:
      confusion: integer [K, K], rows are the truth.

    Returns:
      float64 [K].
    """
    confusion = np.asarray(confusion, np.int64)
    hits = np.diagonal(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return hits / (union + 1e-10) * 100


def foreground_iou(
    iou: Sequence[float], class_names: Sequence[str]
) -> float | None:
    """Mean IoU without the background, which is class 0 if it is called so.

    Called so means background or bg, in any case. Two classes without names
    ("class 0", "class 1") are a background and a foreground too. With two
    classes this is the IoU of class 1.

    Args:
      iou: one number per class.
      class_names: as many names.

    Returns:
      percent; None where no class is the background.
    """
    first = class_names[0].strip().lower()
    numbered = tuple(class_names) == ("class 0", "class 1")
    if first not in _BACKGROUND and not numbered:
        return None
    return float(np.mean(iou[1:]))


def mean_iou(confusion: np.ndarray) -> float:
    """Plain mean of `iou` over all classes, absent ones included; percent."""
    return float(iou(confusion).mean())
