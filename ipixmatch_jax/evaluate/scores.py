"""Scores of a run on val and test."""

from collections.abc import Sequence

import numpy as np

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.evaluate import metrics


def scores_from_confusion(
    confusion: np.ndarray, class_names: Sequence[str]
) -> dict:
    """mIoU and IoU per class in percent, as values for JSON.

    With a background there is also `foreground_miou`; see
    metrics.foreground_iou.
    """
    iou = metrics.iou_by_class(confusion).tolist()
    foreground = metrics.foreground_iou(iou, class_names)
    also = {} if foreground is None else {"foreground_miou": foreground}
    return {"miou": metrics.mean_iou(confusion), **also, "iou": iou}


def score_networks(
    evaluate,
    data: DataSet,
    networks: dict,
    step: int,
    on_val: dict[str, np.ndarray] | None = None,
) -> dict:
    """Scores of the better network on val, and on test if there is one.

    The better network is the one with the higher mIoU on val.

    Args:
      evaluate: from make_evaluator.
      data: the sets to score on.
      networks: variables by name.
      step: steps done, which the result holds.
      on_val: the networks' confusion matrices on val, where they are known;
        None: val is scored.
    """
    on_val = on_val or evaluate(networks, data.val)
    name = max(on_val, key=lambda key: metrics.mean_iou(on_val[key]))
    on_val = scores_from_confusion(on_val[name], data.class_names)
    result = {"network": name, "step": step, "val": on_val}
    if data.test is not None:
        on_test = evaluate({name: networks[name]}, data.test)
        result["test"] = scores_from_confusion(on_test[name], data.class_names)
    return result
