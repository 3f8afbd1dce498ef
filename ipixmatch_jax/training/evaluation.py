"""Scoring a run's networks on val while it trains."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ipixmatch_jax.checkpoints.manager import Saved
from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.training.setup import Parts
from ipixmatch_jax.training.state_trees import scored_networks
from ipixmatch_jax.training.step import TrainState
from ipixmatch_jax.training.writer import Writer

_LOGGER = logging.getLogger(__name__)


def score_on_val(
    parts: Parts,
    state: TrainState,
    writer: Writer,
    best: Saved,
    step: int,
    should_stop: Callable[[], bool],
) -> tuple[Saved, float | None, dict[str, np.ndarray] | None]:
    """Scores every network on val; the better one gives the score.

    Args:
      parts: of the run.
      state: after `step` steps.
      writer: gets the scores.
      best: the best evaluation before.
      step: steps done.
      should_stop: () -> whether a signal asks to end the evaluation.

    Returns:
      the best evaluation so far; and the mIoU in percent and the confusion
      matrices by network of this one, both None where a signal cut it short.
    """
    with writer.scoring():
        confusion = parts.evaluate(
            scored_networks(state), parts.data.val, should_stop=should_stop
        )
    if confusion is None:
        return best, None, None
    scores = {name: metrics.mean_iou(c) for name, c in confusion.items()}
    _log_scores(parts, writer, step, confusion, scores)
    network = max(scores, key=lambda name: scores[name])
    score = float(scores[network])
    if score > best.score:
        best = Saved(score, step, network)
    return best, score, confusion


def _log_scores(
    parts: Parts,
    writer: Writer,
    step: int,
    confusion: dict[str, np.ndarray],
    scores: dict[str, float],
) -> None:
    values: dict[str, Any] = {f"val_miou_{k}": v for k, v in scores.items()}
    values |= {
        f"val_iou_{k}": metrics.iou_by_class(v) for k, v in confusion.items()
    }
    shown = {k: f"{k} {v:.2f}" for k, v in scores.items()}
    for name, matrix in confusion.items():
        foreground = metrics.foreground_iou(
            metrics.iou_by_class(matrix), parts.data.class_names
        )
        if foreground is not None:
            values[f"val_foreground_iou_{name}"] = foreground
            shown[name] += f" (foreground {foreground:.2f})"
    writer.write_scalars(step, values)
    _LOGGER.info("step %d: val mIoU %s", step, ", ".join(shown.values()))
