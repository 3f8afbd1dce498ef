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

from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.methods.base import Consistency, Forward, Variables, Views
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
    """All that a step reads and writes.

    Attributes:
      step: int32 scalar, steps done, skipped ones too.
      student: {"params", "batch_stats"}, float32; of two networks where a
        method trains two, see methods/twins.py.
      teacher: the same, averaged; None when the student labels.
      opt_state: the optimiser's.
      skipped: int32 scalar, updates left out because of a value that is not
        finite.
      skipped_in_a_row: int32 scalar, the last ones of them.
    """

    step: Array
    student: Variables
    teacher: Variables | None
    opt_state: Any
    skipped: Array
    skipped_in_a_row: Array


@dataclasses.dataclass(frozen=True)
class InterPixel:
    """How the inter-pixel term enters; see losses/inter_pixel.py.

    Attributes:
      weight: its factor; 0 leaves the term out of the program.
      warmup_steps: the factor rises linearly over so many steps; 0: at once.
      block: pixels at a time; see inter_pixel_loss.
      stride: 1 compares every pixel; s every s-th row and column.
    """

    relation: str
    distance: str
    weight: float
    temperature: float
    threshold: float
    warmup_steps: int
    block: int = 512
    stride: int = 1


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
    """Views, losses, gradient, update, moving average.

    A loss or gradient that is not finite never reaches the state: everything
    but the counters stays as it was.

    Args:
      state: donated by the caller's jit.
      batch: arrays as data/pipeline.py yields them.
      forward: the network.
      make_views: batch -> normalised views.
      method: one of methods/, its own settings bound.
      tx: the optimiser.
      schedule: its learning rate, to be logged.
      inter_pixel: settings of the term.
      ema_decay: see ema.decay_at.
      ema_rampup: see ema.decay_at.
      ema_copy_steps: see ema.decay_at.
      accumulate: micro-batches whose mean gradient makes the one update; see
        accumulation.gradients. Losses are means over the pixels of a
        micro-batch, and batch norm sees one of them at a time.
      mesh: over which state and batch lie; None: one device.

    Returns:
      the next state, and float32 metrics, the means of the micro-batches'.
    """
    labeller = sharding.whole(state.teacher, mesh)

    def loss_fn(params, batch_stats, batch):
        student = {"params": params, "batch_stats": batch_stats}
        outcome = method(forward, student, labeller, make_views(batch))
        metrics = dict(outcome.metrics)
        total = outcome.total
        if inter_pixel.weight > 0:
            term, share = _inter_pixel(outcome.consistency, inter_pixel)
            metrics["loss_ip"] = term
            metrics["inter_pixel_share"] = share
            total += _weight(inter_pixel, state.step) * term
        metrics["loss"] = total
        return total, (outcome.batch_stats, metrics)

    grads, batch_stats, metrics = accumulation.gradients(
        loss_fn,
        state.student["params"],
        state.student["batch_stats"],
        batch,
        count=accumulate,
        mesh=mesh,
    )
    metrics["grad_norm"] = optax.tree.norm(grads)
    metrics["learning_rate"] = schedule(state.step)
    finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])

    updates, opt_state = tx.update(
        grads, state.opt_state, state.student["params"]
    )
    params = optax.apply_updates(state.student["params"], updates)
    student = {"params": params, "batch_stats": batch_stats}
    teacher = None
    if state.teacher is not None:
        decay = ema.decay_at(
            state.step,
            ema_decay,
            rampup=ema_rampup,
            copy_steps=ema_copy_steps,
        )
        teacher = ema.update(state.teacher, student, decay)
    student, teacher, opt_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old),
        (student, teacher, opt_state),
        (state.student, state.teacher, state.opt_state),
    )
    bad = (~finite).astype(jnp.int32)
    state = TrainState(
        step=state.step + 1,
        student=student,
        teacher=teacher,
        opt_state=opt_state,
        skipped=state.skipped + bad,
        skipped_in_a_row=(state.skipped_in_a_row + bad) * bad,
    )
    metrics["skipped"] = state.skipped
    metrics["skipped_in_a_row"] = state.skipped_in_a_row
    return state, metrics


def _weight(settings: InterPixel, step: Array) -> Array:
    if settings.warmup_steps <= 0:
        return jnp.float32(settings.weight)
    risen = (step + 1) / settings.warmup_steps
    return settings.weight * jnp.minimum(risen, 1.0).astype(jnp.float32)


def _inter_pixel(
    consistency: list[Consistency], settings: InterPixel
) -> tuple[Array, Array]:
    """Mean over the list of the term and of its confident share."""
    terms = [
        inter_pixel_loss(
            *pair,
            relation=settings.relation,
            distance=settings.distance,
            temperature=settings.temperature,
            threshold=settings.threshold,
            block=settings.block,
            stride=settings.stride,
        )
        for pair in consistency
    ]
    values = jnp.stack([value for value, _ in terms])
    shares = jnp.stack([aux.confident_share for _, aux in terms])
    return values.mean(), shares.mean()
