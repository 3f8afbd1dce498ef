"""A step in micro-batches equals a whole step, except for batch norm."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.collectives import collectives
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.optimisers.param_groups import faster_head
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import accumulation, step
from ipixmatch_jax.utils.by_platform import trace_for
from tests.methods import pixel_network
from tests.methods.loops import cut_mix, draw_views

pytestmark = pytest.mark.slow


def frozen(variables, images, train, perturb=None):
    """The pixel network with running statistics, so without batch norm."""
    del train
    stats = variables["batch_stats"]
    output, _ = pixel_network.forward(variables, images, False, perturb)
    return output, stats


def make(count, forward=frozen, mesh=None, weight=0.3):
    schedule = poly_schedule(0.1, 10)
    tx = sgd(schedule, groups=faster_head(2.0), weight_decay=1e-3)
    state = step.create_state(pixel_network.variables(0), tx, with_teacher=True)
    run = functools.partial(
        step.train_step,
        forward=forward,
        make_views=lambda views: views,
        method=functools.partial(
            fixmatch,
            labelled_loss=cross_entropy,
            threshold=0.5,
            unlabelled_weight=1.0,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=step.InterPixel("channel", "kl", weight, 1.0, 0.5, 0),
        ema_decay=0.9,
        ema_rampup=False,
        accumulate=count,
        mesh=mesh,
    )
    return state, jax.jit(trace_for("cpu", run))  # as a run does


def draw(seed, b=8, side=6):
    """Views with the same number of counted pixels in every micro-batch."""
    views = draw_views(seed, b, side)
    return views._replace(valid=np.ones_like(views.valid))


def agree(given, expected, rtol=1e-5):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6),
        given,
        expected,
    )


def test_pairs_of_images_alternate_between_micro_batches():
    given = {"image": np.arange(12)[:, None], "index": np.arange(12)}
    cut = accumulation.split_batch(given, 3)
    expected = [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    np.testing.assert_array_equal(cut["index"], expected)
    np.testing.assert_array_equal(cut["image"][..., 0], expected)


@pytest.mark.parametrize("count", [2, 4])
def test_without_batch_norm_the_step_equals_that_of_the_large_batch(count):
    state, whole = make(1)
    _, run = make(count)
    views = draw(0)
    one, expected = whole(state, views)
    many, metrics = run(state, views)
    agree(many, one)
    # The share of a class is the mean of the shares of the micro-batches.
    uneven = {"confident_share_by_class"}
    assert metrics.keys() == expected.keys()
    for name in expected.keys() - uneven:
        np.testing.assert_allclose(metrics[name], expected[name], rtol=1e-5)
    assert expected["loss_u"] > 0
    assert expected["loss_ip"] > 0


def micro_batches(views, count):
    """The micro-batches, cut by hand."""
    for m in range(count):
        pairs = range(2 * m, len(views.labels), 2 * count)
        rows = [row for pair in pairs for row in (pair, pair + 1)]
        yield jax.tree.map(lambda x, rows=rows: x[rows], views)


def test_losses_are_means_over_the_pixels_of_a_micro_batch():
    views = draw(1)
    labels = np.full_like(views.labels, 255)
    labels[0, 0, 0] = 2  # the only labelled pixel of the first micro-batch
    labels[2:4] = views.labels[2:4]
    views = views._replace(labels=labels)
    state, run = make(2)
    _, alone = make(1)
    _, metrics = run(state, views)
    each = [alone(state, part)[1] for part in micro_batches(views, 2)]
    together = alone(state, views)[1]
    for name in ("loss_x", "loss_u", "loss_ip", "confident_share_by_class"):
        mean = (each[0][name] + each[1][name]) / 2
        np.testing.assert_allclose(metrics[name], mean, rtol=1e-5)
    # The mean over all pixels differs, as their numbers differ.
    assert abs(together["loss_x"] - metrics["loss_x"]) > 0.01


def test_batch_norm_sees_the_micro_batches_in_their_order():
    state, run = make(2, pixel_network.forward)
    _, whole = make(1, pixel_network.forward)
    views = draw(2)
    after, _ = run(state, views)
    mean = np.float64(state.student["batch_stats"]["mean"])
    for part in micro_batches(views, 2):
        mixed = cut_mix(part.strong[0], part.box[0])
        seen = np.concatenate([part.labelled, mixed])
        mean = 0.9 * mean + 0.1 * seen.mean((0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(
        after.student["batch_stats"]["mean"], mean, rtol=1e-5, atol=1e-6
    )
    # Batch norm changes the statistics and therefore the gradient.
    large, _ = whole(state, views)
    for a, b in zip(
        jax.tree.leaves(after.student),
        jax.tree.leaves(large.student),
        strict=True,
    ):
        assert np.abs(a - b).max() > 1e-4


def test_a_value_that_is_not_finite_in_one_of_them_skips_the_step():
    state, run = make(2)
    views = draw(3)
    views.labelled[5, 3, 3] = np.nan
    after, metrics = run(state, views)
    assert (after.skipped, after.step) == (1, 1)
    agree(after.student, state.student)
    assert not np.isfinite(metrics["loss"])


@pytest.mark.parametrize("images", [32, 16])
def test_eight_devices_agree_with_one(images):
    """16 images are one on each device in each of two micro-batches."""
    mesh = sharding.make_mesh(8, 1)
    views = draw(4, images)
    state, run = make(2, pixel_network.forward)
    one, _ = run(state, views)
    split = sharding.batch_sharding(mesh)
    views = jax.tree.map(lambda x: jax.device_put(x, split), views)
    _, run = make(2, pixel_network.forward, mesh)
    state = jax.device_put(state, sharding.replicated(mesh))
    compiled = run.lower(state, views).compile()
    many, _ = compiled(state, views)
    agree(jax.device_get(many), jax.device_get(one))
    found = collectives(compiled.as_text())
    reduced = [c for c in found if c.kind == "all-reduce"]
    # The gradient has 12 elements; every image is larger.
    assert max(math.prod(c.shape) for c in reduced) <= 12
    moved = [c for c in found if c.kind != "all-reduce"]
    assert bool(moved) == (images == 16)
    # No device gets more of an array than the two images that it works on.
    own = max(math.prod(x.shape[1:]) for x in jax.tree.leaves(views)) * 2
    assert all(math.prod(c.shape) <= own for c in moved)
    assert all(c.kind != "all-gather" for c in moved)


def test_memory_is_that_of_a_micro_batch():
    views = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), draw(5, 16, 33)
    )
    temporary = []
    for count in (1, 2, 4):
        state, run = make(count)
        compiled = run.lower(state, views).compile()
        temporary.append(compiled.memory_analysis().temp_size_in_bytes)
    # Only the batch itself, cut into micro-batches, does not get smaller.
    batch = sum(math.prod(x.shape) * 4 for x in jax.tree.leaves(views))
    whole, half, quarter = temporary
    assert half - batch < 0.55 * whole
    assert quarter - batch < 0.3 * whole
    assert quarter < half < whole


def test_one_micro_batch_compiles_to_no_loop():
    # Without the term, which has a loop of its own on a CPU.
    state, run = make(1, weight=0.0)
    views = jax.tree.map(jnp.asarray, draw(6))
    assert "while" not in run.lower(state, views).as_text()
