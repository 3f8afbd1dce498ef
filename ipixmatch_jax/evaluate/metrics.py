"""Confusion matrices, and the intersection over union (IoU) from them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.utils.labels import IGNORE as IGNORE

_BACKGROUND = ("background", "bg")


def confusion_matrix(
    predictions: jax.Array, labels: jax.Array, num_classes: int
) -> jax.Array:
    """Counts the pixels of each pair of true and predicted class.

    Args:
      predictions: integer [B, ...], class ids below `num_classes`.
      labels: integer [B, ...], class ids, or 255 for pixels that do not count.
      num_classes: K; labels from K to 254 do not count either.

    Returns:
      int32 [K, K]; rows are the truth, columns the prediction. Add up
      matrices in int64 on the host: a thousand large images have more than
      2^31 pixels.
    """
    # A product of one-hot rows is exact in int32, and on a CPU takes a third
    # of the time of a scatter. A pixel that does not count is 0 in all rows.
    truth = _one_hot_rows(labels, num_classes)
    predicted = _one_hot_rows(predictions, num_classes)
    return jnp.einsum(
        "bin,bjn->bij", truth, predicted, preferred_element_type=jnp.int32
    ).sum(0)


def _one_hot_rows(ids, num_classes):
    """int8 [B, K, pixels] of ids [B, ...]."""
    ids = ids.reshape(ids.shape[0], 1, -1).astype(jnp.int32)
    return (ids == jnp.arange(num_classes)[:, None]).astype(jnp.int8)


def iou_by_class(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union per class, in percent.

    As in the reference (UniMatch v1): I / (U + 1e-10) * 100, so a class that
    is neither in the truth nor in the prediction scores 0.

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
    iou: Sequence[float] | np.ndarray, class_names: Sequence[str]
) -> float | None:
    """Mean IoU without the background.

    The background is class 0 if its name is "background" or "bg" in any case,
    or if there are two classes without names ("class 0", "class 1"). With two
    classes this is the IoU of class 1.

    Args:
      iou: one number per class.
      class_names: as many names.

    Returns:
      percent; None without a background.
    """
    first = class_names[0].strip().lower()
    numbered = tuple(class_names) == ("class 0", "class 1")
    if first not in _BACKGROUND and not numbered:
        return None
    return float(np.mean(iou[1:]))


def mean_iou(confusion: np.ndarray) -> float:
    """Mean of `iou_by_class` over all classes, with absent ones; percent."""
    return float(iou_by_class(confusion).mean())
