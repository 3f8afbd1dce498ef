"""One training step: a pure function of the state and a batch."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.distributed.gather import gather_together
from ipixmatch_jax.distributed.mesh import replicate
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.methods.base import (
    Forward,
    Outcome,
    Variables,
    Views,
)
from ipixmatch_jax.methods.compared_maps import (
    FEATURES,
    LOGITS,
    compared_maps,
)
from ipixmatch_jax.methods.truth_pairs import compared_pairs
from ipixmatch_jax.models.layers.barrier_on_cpu import barrier_on_cpu
from ipixmatch_jax.training import accumulation, ema


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "step",
        "student",
        "teacher",
        "opt_state",
        "skipped",
        "skipped_in_a_row",
    ],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that changes from step to step.

    Attributes:
      step: int32 scalar, steps done, skipped ones too.
      student: {"params", "batch_stats"}, float32; of several networks if the
        method trains several, see methods/networks.py.
      teacher: the averaged student; None if the student labels for itself.
      opt_state: state of the optimiser.
      skipped: int32 scalar, how many updates were left out because a value
        was not finite.
      skipped_in_a_row: int32 scalar, how many of the latest updates were.
    """

    step: Array
    student: Variables
    teacher: Variables | None
    opt_state: Any
    skipped: Array
    skipped_in_a_row: Array


@dataclasses.dataclass(frozen=True)
class InterPixel:
    """The settings of the inter-pixel term; see inter_pixel_loss.

    Attributes:
      weight: factor of the term; 0 leaves the term out of the program.
      warmup_steps: steps over which the factor rises linearly from 0.
      relation, distance, temperature, threshold, block, stride, agents: see
        inter_pixel_loss.
      on, encoder_stride: see compared_maps.
      labelled: whether labelled images are compared with the truth too, see
        compared_pairs.
    """

    relation: str
    distance: str
    weight: float
    temperature: float
    threshold: float
    warmup_steps: int
    block: int = 512
    stride: int = 1
    on: str = "logits"
    encoder_stride: int = 16
    agents: int = 64
    labelled: bool = False

    @property
    def needs_head(self) -> bool:
        """Whether the term compares what only the head's own map gives."""
        return self.weight > 0 and self.on != LOGITS

    @property
    def needs_features(self) -> bool:
        """Whether the term compares the head's features."""
        return self.weight > 0 and self.on == FEATURES


def create_state(
    variables: Variables,
    tx: optax.GradientTransformation,
    *,
    with_teacher: bool,
) -> TrainState:
    """The state before the first step; the teacher starts as a copy."""
    zero = jnp.zeros((), jnp.int32)
    teacher = jax.tree.map(jnp.copy, variables) if with_teacher else None
    opt_state = tx.init(variables["params"])
    return TrainState(zero, variables, teacher, opt_state, zero, zero)


def train_step(
    state: TrainState,
    batch: dict[str, Any],
    *,
    forward: Forward,
    make_views: Callable[[dict[str, Any]], Views],
    method: Callable,
    tx: optax.GradientTransformation,
    schedule: optax.Schedule,
    inter_pixel: InterPixel,
    ema_decay: float,
    ema_rampup: bool,
    ema_copy_steps: int = 0,
    accumulate: int = 1,
    mesh: Mesh | None = None,
) -> tuple[TrainState, dict[str, Array]]:
    """Computes the views, the losses and the gradient, and updates the state.

    If the loss or the gradient is not finite, only the counters of the state
    change.

    Args:
      state: donated by the caller's jit.
      batch: arrays as data/pipeline.py yields them.
      forward: the network.
      make_views: batch -> normalised views.
      method: the loss of a Method, its settings bound.
      tx: the optimiser.
      schedule: the learning rate by step, for the log.
      inter_pixel: settings of the term.
      ema_decay: see ema.decay_at.
      ema_rampup: see ema.decay_at.
      ema_copy_steps: see ema.decay_at.
      accumulate: number of micro-batches, see accumulation.mean_gradients.
        Losses are means over the pixels of a micro-batch, and batch norm sees
        one micro-batch at a time.
      mesh: of the devices that hold state and batch; None: one device.

    Returns:
      the next state, and float32 metrics: means over the micro-batches.
    """
    params, labeller = _gather_networks(state, mesh)

    def loss_fn(params, batch_stats, batch):
        student = {"params": params, "batch_stats": batch_stats}
        views = make_views(batch)
        outcome = method(forward, student, labeller, views)
        total, metrics = _add_inter_pixel(
            outcome, views.labels, inter_pixel, state.step
        )
        return total, (outcome.batch_stats, metrics)

    grads, batch_stats, metrics = accumulation.mean_gradients(
        loss_fn,
        params,
        state.student["batch_stats"],
        batch,
        count=accumulate,
        mesh=mesh,
    )
    metrics["grad_norm"] = optax.tree.norm(grads)
    metrics["learning_rate"] = schedule(state.step)
    finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])

    student, opt_state = _update_student(state, tx, grads, batch_stats)
    teacher = None
    if state.teacher is not None:
        decay = ema.decay_at(
            state.step,
            ema_decay,
            rampup=ema_rampup,
            copy_steps=ema_copy_steps,
        )
        teacher = ema.update_average(state.teacher, student, decay)
    state = _advance(state, finite, student, teacher, opt_state)
    metrics["skipped"] = state.skipped
    metrics["skipped_in_a_row"] = state.skipped_in_a_row
    return state, metrics


def _gather_networks(
    state: TrainState, mesh: Mesh | None
) -> tuple[Any, Variables | None]:
    """The student's parameters and the teacher, whole on every device.

    Both are gathered once per step. If they stayed sharded, XLA would lay out
    the activations like them.
    """
    params = state.student["params"]
    if state.teacher is None:
        return replicate(params, mesh), None
    params, averaged = gather_together(params, state.teacher["params"], mesh)
    statistics = replicate(state.teacher["batch_stats"], mesh)
    return params, {"params": averaged, "batch_stats": statistics}


def _update_student(
    state: TrainState,
    tx: optax.GradientTransformation,
    grads: Any,
    batch_stats: Any,
) -> tuple[Variables, Any]:
    """The student after an update, and the optimiser's new state."""
    params = state.student["params"]
    updates, opt_state = tx.update(grads, state.opt_state, params)
    params = optax.apply_updates(params, updates)
    # Each then replaces the old one in place, which is read no more. Else
    # XLA:CPU copies the whole state at the start, and keeps the copy.
    params, opt_state = barrier_on_cpu((params, opt_state))
    return {"params": params, "batch_stats": batch_stats}, opt_state


def _advance(
    state: TrainState,
    finite: Array,
    student: Variables,
    teacher: Variables | None,
    opt_state: Any,
) -> TrainState:
    """The next state; only the counters change unless `finite`."""
    student, teacher, opt_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old),
        (student, teacher, opt_state),
        (state.student, state.teacher, state.opt_state),
    )
    bad = (~finite).astype(jnp.int32)
    return TrainState(
        step=state.step + 1,
        student=student,
        teacher=teacher,
        opt_state=opt_state,
        skipped=state.skipped + bad,
        skipped_in_a_row=(state.skipped_in_a_row + bad) * bad,
    )


def _add_inter_pixel(
    outcome: Outcome, labels: Array, settings: InterPixel, step: Array
) -> tuple[Array, dict[str, Array]]:
    """The total with the inter-pixel term, and the metrics of both."""
    metrics = dict(outcome.metrics)
    total = outcome.total
    if settings.weight > 0:
        term, share = _compare_pairs(outcome, labels, settings)
        metrics["loss_ip"] = term
        metrics["inter_pixel_share"] = share
        total += _weight_at(settings, step) * term
    metrics["loss"] = total
    return total, metrics


def _weight_at(settings: InterPixel, step: Array) -> Array:
    if settings.warmup_steps <= 0:
        return jnp.float32(settings.weight)
    risen = (step + 1) / settings.warmup_steps
    return settings.weight * jnp.minimum(risen, 1.0).astype(jnp.float32)


def _compare_pairs(
    outcome: Outcome, labels: Array, settings: InterPixel
) -> tuple[Array, Array]:
    """Means over the pairs: of the term, and of the method's confident share.

    The share leaves out the pairs with the truth, which is always confident.
    """
    terms = [
        inter_pixel_loss(
            *compared_maps(pair, settings.on, settings.encoder_stride),
            relation=settings.relation,
            distance=settings.distance,
            temperature=settings.temperature,
            threshold=settings.threshold,
            block=settings.block,
            stride=settings.stride,
            agents=settings.agents,
        )
        for pair in compared_pairs(outcome, labels, settings.labelled)
    ]
    values = jnp.stack([value for value, _ in terms])
    unlabelled = terms[: len(outcome.consistency)]
    shares = jnp.stack([aux.confident_share for _, aux in unlabelled])
    return values.mean(), shares.mean()
