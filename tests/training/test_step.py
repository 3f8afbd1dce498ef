"""The train step on a network of one matrix: update, average, guard."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.configs import shapes
from ipixmatch_jax.data import pipeline
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.optimisers.param_groups import faster_head
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import step
from ipixmatch_jax.utils.by_platform import trace_for
from tests.methods import pixel_network
from tests.methods.loops import draw_views
from tests.tiny_run import build

pytestmark = pytest.mark.slow

OFF = step.InterPixel("channel", "kl", 0.0, 1.0, 0.0, 0)


def make(inter_pixel=OFF, with_teacher=True, decay=0.9):
    schedule = poly_schedule(0.1, 10)
    tx = sgd(schedule, groups=faster_head(2.0), weight_decay=1e-3)
    state = step.create_state(
        pixel_network.variables(0), tx, with_teacher=with_teacher
    )
    run = functools.partial(
        step.train_step,
        forward=pixel_network.forward,
        make_views=lambda views: views,
        method=functools.partial(
            fixmatch,
            labelled_loss=cross_entropy,
            threshold=0.5,
            unlabelled_weight=1.0,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=inter_pixel,
        ema_decay=decay,
        ema_rampup=False,
    )
    return state, jax.jit(trace_for("cpu", run))  # as a run does


def test_the_teacher_averages_parameters_and_statistics():
    state, run = make()
    after, metrics = run(state, draw_views(0))
    for old, new, teacher in zip(
        *map(jax.tree.leaves, (state.teacher, after.student, after.teacher)),
        strict=True,
    ):
        np.testing.assert_allclose(teacher, 0.9 * old + 0.1 * new, rtol=1e-5)
    assert after.step == 1
    assert metrics["learning_rate"] == np.float32(0.1)


def test_the_weighted_inter_pixel_term_is_all_that_is_added():
    state, plain = make()
    views = draw_views(1)
    _, without = plain(state, views)
    term = step.InterPixel("channel", "kl", 0.3, 2.0, 0.5, 4)
    _, run = make(term)
    _, metrics = run(state, views)
    for name in ("loss_x", "loss_u", "confident_share"):
        np.testing.assert_allclose(metrics[name], without[name], rtol=1e-6)
    # In the first of four warm-up steps the weight is a quarter.
    np.testing.assert_allclose(
        metrics["loss"],
        without["loss"] + 0.3 / 4 * metrics["loss_ip"],
        rtol=1e-5,
    )

    @jax.jit
    def loss_of_the_pair(student, teacher, views):
        outcome = fixmatch(
            pixel_network.forward,
            student,
            teacher,
            views,
            labelled_loss=cross_entropy,
            threshold=0.5,
            unlabelled_weight=1.0,
        )
        (pair,) = outcome.consistency
        return inter_pixel_loss(
            pair.student.logits,
            pair.teacher.logits,
            pair.valid,
            relation="channel",
            distance="kl",
            temperature=2.0,
            threshold=0.5,
        )

    expected, aux = loss_of_the_pair(state.student, state.teacher, views)
    np.testing.assert_allclose(metrics["loss_ip"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        metrics["inter_pixel_share"], aux.confident_share
    )


def test_labelled_images_are_one_more_pair_of_the_term():
    views = draw_views(1)
    term = step.InterPixel("pixel", "kl", 0.3, 1.0, 0.5, 0)
    state, run = make(term)
    _, without = run(state, views)
    _, run = make(dataclasses.replace(term, labelled=True))
    _, metrics = run(state, views)
    # Each image has as many labels, so the means are those of all pixels.
    truth = metrics["loss_x"]
    np.testing.assert_allclose(
        metrics["loss_ip"], (without["loss_ip"] + truth) / 2, rtol=1e-5
    )
    for name in ("loss_x", "loss_u", "inter_pixel_share"):
        np.testing.assert_allclose(metrics[name], without[name], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_changes_only_the_counters(bad):
    state, run = make()
    good = draw_views(2)
    images = good.labelled.copy()
    images[0, 3, 3, 0] = bad
    broken = good._replace(labelled=images)
    before = jax.tree.map(np.array, state)
    counts = []
    for views in (broken, broken, good, broken):
        state, metrics = run(state, views)
        counts.append((int(state.skipped), int(state.skipped_in_a_row)))
        if state.step <= 2:  # No finite update has been made yet.
            jax.tree.map(
                np.testing.assert_array_equal,
                (before.student, before.teacher, before.opt_state),
                (state.student, state.teacher, state.opt_state),
            )
    assert counts == [(1, 1), (2, 2), (2, 0), (3, 1)]
    assert state.step == 4
    assert not np.isfinite(metrics["loss_x"])
    for leaf in jax.tree.leaves(state):
        assert np.all(np.isfinite(leaf))


def test_without_a_teacher_the_state_has_none():
    state, run = make(with_teacher=False)
    after, _ = run(state, draw_views(3))
    assert after.teacher is None
    moved = jax.tree.map(
        lambda a, b: np.any(np.asarray(a) != b), state.student, after.student
    )
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize("on", ["logits", "head", "grid", "features"])
def test_eight_devices_agree_with_one(on):
    names = "channel", "correlation"
    if on == "features":
        names = "agents", "kl"
    term = step.InterPixel(
        *names, *(0.3, 1.0, 0.5, 0), on=on, encoder_stride=4, agents=4
    )
    state, run = make(term)
    views = draw_views(5, b=16)
    one, one_metrics = run(state, views)
    split = mesh.batch_sharding(mesh.make_mesh(4, 2))
    views = jax.tree.map(lambda x: jax.device_put(x, split), views)
    many, metrics = run(state, views)
    for name, value in one_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, atol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        jax.device_get(many),
        jax.device_get(one),
    )


def test_bf16_trains_float32_parameters_with_float32_losses():
    config = shapes.get_config("tiny_1_16,method=supervised")
    config.data.crop_size = 33
    config.train.batch_size = 2
    config.mesh.data = 1
    config.precision = "bf16"
    built = build(config)
    batch = pipeline.train_batches(
        built.data.labelled, None, batch_size=2, crop_size=33, seed=0
    )[0]
    del batch["bad"]
    batch = mesh.put_batch(batch, built.mesh)
    state = built.init(0)
    c4 = jax.eval_shape(
        lambda v: built.network.apply(
            v, jnp.zeros((2, 33, 33, 3)), False, method="encode"
        ),
        state.student,
    )[-1]
    assert c4.dtype == jnp.bfloat16
    run = built.train_step.lower(state, batch).compile()
    losses = []
    for _ in range(5):
        state, metrics = run(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.9 * losses[0]
    assert state.skipped == 0
    trees = (state.student, state.teacher, state.opt_state, metrics)
    floats = [
        x.dtype
        for x in jax.tree.leaves(trees)
        if jnp.issubdtype(x.dtype, jnp.floating)
    ]
    assert set(floats) == {np.dtype("float32")}
