"""Confusion matrices and the intersection over union read off them."""

import jax
import jax.numpy as jnp
import numpy as np

IGNORE = 255


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


def mean_iou(confusion: np.ndarray) -> float:
    """Plain mean of `iou` over all classes, absent ones included; percent."""
    return float(iou(confusion).mean())
