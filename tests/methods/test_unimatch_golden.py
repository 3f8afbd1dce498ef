"""UniMatch's whole training step against the reference's numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.methods.unimatch import Partner, unimatch
from ipixmatch_jax.models.weights import load
from ipixmatch_jax.optimisers.param_groups import faster_head
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import setup, step
from tests import golden, xla_flags

pytestmark = pytest.mark.slow

SHAPE = (2, 3, 65, 65)
DECAY = 1e-4
THRESHOLD = 0.15
OFF = step.InterPixel("channel", "kl", 0.0, 1.0, 0.0, 0)


def views():
    labels = golden.integers("mask_x", 21, (2, 65, 65))
    labels[:, :3] = 255
    valid = np.ones((2, 65, 65), bool)
    valid[0, :, 56:] = False
    return Views(
        golden.images("img_x", SHAPE),
        labels.astype(np.int32),
        golden.images("u_w", SHAPE),
        (golden.images("u_s1", SHAPE), golden.images("u_s2", SHAPE)),
        (
            np.int32([[5, 8, 30, 44], [0, 0, 0, 0]]),
            np.int32([[0, 0, 0, 0], [20, 31, 65, 65]]),
        ),
        valid,
    )


def with_partner(forward, student, teacher, views, **settings):
    """Binds the reference's partner views and dropout masks to UniMatch."""
    valid = np.ones((2, 65, 65), bool)
    valid[1, 58:] = False
    strong = [golden.images(f"u_s{k}_mix", SHAPE) for k in (1, 2)]
    output, _ = forward(student, golden.images("u_w_mix", SHAPE), False)
    return unimatch(
        forward,
        student,
        teacher,
        views,
        partner=Partner(tuple(strong), output, valid),
        perturb=perturb,
        **settings,
    )


def perturb(features):
    def drop(x, tag):
        masks = golden.uniform(tag, (4, x.shape[-1], 1, 1)) < 0.5
        # Drawn for both labelled, then both weak images; ours alternate.
        masks = 2 * masks.reshape(2, 2, -1).swapaxes(0, 1).reshape(4, 1, 1, -1)
        return x * jnp.asarray(masks, x.dtype)

    c1, c2, c3, c4 = features
    return drop(c1, "drop_c1"), c2, c3, drop(c4, "drop_c4")


@pytest.fixture(scope="module")
def stepped():
    """The state before, the state after and the metrics, as NumPy."""
    schedule = poly_schedule(1e-3, 100)
    tx = sgd(schedule, groups=faster_head(10.0), weight_decay=DECAY)
    before = step.create_state(golden.variables(), tx, with_teacher=False)
    run = functools.partial(
        step.train_step,
        forward=functools.partial(setup.forward, golden.network()),
        make_views=lambda views: views,
        method=functools.partial(
            with_partner,
            labelled_loss=cross_entropy,
            threshold=THRESHOLD,
            unlabelled_weight=1.0,
        ),
        tx=tx,
        schedule=schedule,
        inter_pixel=OFF,
        ema_decay=0.0,
        ema_rampup=False,
    )
    run = jax.jit(run, compiler_options=xla_flags.USUAL_PRESET)
    after, metrics = run(before, views())
    return jax.device_get((before, after, metrics))


@pytest.fixture(scope="module")
def expected(reference):
    return np.load(reference / "golden_resnet50.npz")


def by_name(params, names):
    """Parameters, or a tree of the same form, in the reference's order."""
    tree = {"params": params, "batch_stats": {}}
    tensors = load.to_torch_names(tree)
    assert set(tensors) == set(names)
    return [np.float64(tensors[name]) for name in names]


def test_the_five_losses(expected, stepped):
    metrics = stepped[2]
    names = ("loss_x", "loss_u_1", "loss_u_2", "loss_fp", "loss")
    losses = [metrics[name] for name in names]
    np.testing.assert_allclose(losses, expected["step_losses"], rtol=1e-4)
    np.testing.assert_allclose(
        metrics["confident_share"], expected["step_mask_ratio"], rtol=1e-4
    )


def test_every_gradient_norm(expected, stepped):
    before, after, _ = stepped
    names = expected["step_param_names"].tolist()
    (trace,) = (s.trace for s in after.opt_state if hasattr(s, "trace"))
    # The momentum's first value is the gradient with the weight decay added.
    pairs = zip(
        by_name(trace, names),
        by_name(before.student["params"], names),
        strict=True,
    )
    norms = [np.linalg.norm(value - DECAY * old) for value, old in pairs]
    np.testing.assert_allclose(norms, expected["step_grad_norm"], rtol=1e-2)


def test_every_parameter_changes_as_the_references(expected, stepped):
    before, after, _ = stepped
    names = expected["step_param_names"].tolist()
    old = by_name(before.student["params"], names)
    new = by_name(after.student["params"], names)
    moved = [b.sum() - a.sum() for a, b in zip(old, new, strict=True)]
    theirs = expected["step_param_sum"] - [a.sum() for a in old]
    # Each value of a tensor has its own rounding error.
    lengths = [np.abs(b - a).sum() for a, b in zip(old, new, strict=True)]
    error = np.abs(moved - theirs)
    assert (error < 1e-2 * np.array(lengths) + 1e-6).all(), error.max()


def test_the_running_statistics_of_both_passes(expected, stepped):
    stem = stepped[1].student["batch_stats"]["backbone"]["stem_3"]["bn"]
    for name in ("mean", "var"):
        np.testing.assert_allclose(
            stem[name], expected[f"step_bn1_{name}"], rtol=1e-4, atol=1e-5
        )
