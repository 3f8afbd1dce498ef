"""UniMatch V2's whole training step against the reference's numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.methods.complementary_dropout import multiply_channels
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.methods.supervised import supervised
from ipixmatch_jax.methods.unimatch_v2 import unimatch_v2
from ipixmatch_jax.models.weights import layouts, unimatch_v2_names
from ipixmatch_jax.optimisers.adamw import adamw
from ipixmatch_jax.optimisers.param_groups import faster_head, frozen_groups
from ipixmatch_jax.training import ema, setup
from tests import golden, golden_v2

pytestmark = pytest.mark.slow

SHAPE = (4, 3, 70, 70)
NETWORK = golden_v2.network()
# V2's CutMix partner is the image at the same place from the batch's end. In
# this order it is the neighbour, as here.
ORDER = np.array([0, 3, 1, 2])
# What has no gradient in torch keeps its values.
GROUPS = (*frozen_groups(NETWORK.untrained), *faster_head(40.0))
forward = functools.partial(setup.forward, NETWORK)


@pytest.fixture(scope="module")
def expected(reference):
    return np.load(reference / "golden_v2_step_small.npz")


@functools.cache
def teacher():
    return jax.tree.map(lambda x: x * np.float32(0.9), golden_v2.variables())


def labels():
    drawn = golden.integers("mask_x", 21, (4, 70, 70)).astype(np.int32)
    drawn[:, :3] = 255
    return drawn


def valid():
    inside = np.ones((4, 70, 70), bool)
    inside[0, :, 60:] = False
    return inside


def boxes(listed):
    """int32 [4, 4]; empty where no box is listed."""
    result = np.zeros((4, 4), np.int32)
    for image, top, bottom, left, right in listed:
        result[image] = top, left, bottom, right
    return result


def views(expected):
    """The step's views, in ORDER."""
    strong = tuple(golden.images(f"img_u_s{k}", SHAPE)[ORDER] for k in (1, 2))
    box = tuple(boxes(expected[f"boxes{k}"])[ORDER] for k in (1, 2))
    return Views(
        golden.images("img_x", SHAPE)[ORDER],
        labels()[ORDER],
        golden.images("img_u_w", SHAPE)[ORDER],
        strong,
        box,
        valid()[ORDER],
    )


def drop(expected):
    """The reference's dropout, of interleaved pairs in ORDER."""
    first = 2.0 * expected["m1"].astype(np.float32)
    first[expected["kept_pairs"]] = 1
    mask = common.interleave(first[ORDER], (2 - first)[ORDER])
    return lambda features: multiply_channels(features, (mask,) * 4)


def run_method(method, expected, names):
    """Gradients, losses by name, and the views' logits in V2's order."""
    step = functools.partial(
        method,
        labelled_loss=cross_entropy,
        threshold=float(expected["threshold"]),
        unlabelled_weight=1.0,
    )
    given = views(expected)

    # The weights are arguments: a program keeps constants, compressed.
    def objective(variables, teacher):
        student = {**variables, "batch_stats": {}}
        outcome = step(forward, student, teacher, given)
        losses = [*(outcome.metrics[name] for name in names), outcome.total]
        logits = [pair.student.logits for pair in outcome.consistency]
        return outcome.total, (jnp.stack(losses), logits)

    run = golden_v2.jit_exact(jax.grad(objective, has_aux=True))
    grads, (losses, logits) = jax.device_get(
        run(golden_v2.variables(), teacher())
    )
    back = np.argsort(ORDER)
    return grads, losses, [x[back] for x in logits]


@pytest.fixture(scope="module")
def labelled_weak(expected):
    """The teacher's logits of the weak view."""
    weak = golden.images("img_u_w", SHAPE)
    run = jax.jit(lambda variables, x: forward(variables, x, False)[0].logits)
    return jax.device_get(run(teacher(), weak))


@pytest.fixture(scope="module")
def stepped(expected):
    """Gradients, losses and logits of the method's step."""
    method = functools.partial(unimatch_v2, perturb=drop(expected))
    names = ("loss_x", "loss_u_1", "loss_u_2", "loss_u")
    return run_method(method, expected, names)


def by_name(tree):
    """Tensors by V2's names, float64, without a bias of the keys.

    A softmax does not see that bias: its gradient is rounding alone, which
    Adam would enlarge to a whole step. The reference has zeros there.
    """
    tensors = {
        name: np.array(value, np.float64)
        for name, value in unimatch_v2_names.to_v2_names(tree).items()
    }
    for name, value in tensors.items():
        if name.endswith("attn.qkv.bias"):
            value[384:768] = 0
    return tensors


def norms(tensors, names):
    return np.array([np.linalg.norm(tensors[name]) for name in names])


def probes(tensors, names):
    return np.array([golden_v2.probe(name, tensors[name]) for name in names])


def small(logits):
    return np.asarray(logits).transpose(0, 3, 1, 2)[:, :, ::7, ::7]


def test_the_teachers_labels(expected, labelled_weak):
    np.testing.assert_allclose(
        small(labelled_weak), expected["logits_t"], atol=5e-4
    )
    sure, given = pseudo_labels.confidence_and_labels(labelled_weak)
    assert (given != expected["pseudo_label"]).sum() <= 4
    np.testing.assert_allclose(sure, expected["confidence"], atol=1e-4)
    shares = common.confident_shares(
        labelled_weak, valid(), float(expected["threshold"])
    )
    pixels = valid().sum()
    difference = shares["confident_share"] - expected["mask_ratio"]
    # No confidence lies near the threshold, so that not one pixel may differ.
    assert abs(difference * pixels) < 0.5
    counts = np.bincount(np.ravel(given), minlength=21)
    assert np.abs(counts - expected["hist_all"]).sum() <= 8


def test_the_five_losses_and_both_views(expected, stepped):
    _, losses, logits = stepped
    np.testing.assert_allclose(losses, expected["losses"], rtol=4e-6)
    for name, value in zip(("s1", "s2"), logits, strict=True):
        np.testing.assert_allclose(
            small(value), expected[f"logits_{name}"], atol=2e-3
        )


def test_every_gradient(expected, stepped):
    check_gradients(expected, stepped[0], "")
    grads = by_name(stepped[0])
    for name in (
        "backbone.cls_token",
        "backbone.norm.weight",
        "head.scratch.output_conv.2.bias",
    ):
        theirs = expected[f"grad/{name}"]
        error = np.linalg.norm(grads[name] - theirs)
        assert error < 5e-5 * np.linalg.norm(theirs), name
    theirs = expected["grad/backbone.pos_embed"]
    ours = grads["backbone.pos_embed"][0, ::19, :8]
    assert np.linalg.norm(ours - theirs) < 5e-5 * np.linalg.norm(theirs)


def check_gradients(expected, grads, prefix):
    grads, names = by_name(grads), expected["names"].tolist()
    assert set(grads) == set(names)
    ours, theirs = norms(grads, names), expected[f"{prefix}grad_norm"]
    learnt = expected["has_grad"]
    assert not ours[~learnt].any()
    np.testing.assert_allclose(ours[learnt], theirs[learnt], rtol=2e-5)
    error = np.abs(probes(grads, names) - expected[f"{prefix}grad_probe"])
    assert (error <= 5e-5 * theirs).all(), error.max()


@pytest.fixture(scope="module")
def updated(stepped):
    """The student after one step of AdamW."""
    tx = adamw(
        optax.constant_schedule(5e-6),
        groups=GROUPS,
        weight_decay=0.01,
    )
    before = golden_v2.variables()

    @jax.jit
    def step(grads, params):
        updates, _ = tx.update(grads, tx.init(params), params)
        return optax.apply_updates(params, updates)

    return {"params": jax.device_get(step(stepped[0], before)["params"])}


def test_the_update_of_adamw(expected, updated):
    names = expected["names"].tolist()
    before, after = by_name(golden_v2.variables()), by_name(updated)
    moved = {name: after[name] - before[name] for name in names}
    learnt = expected["has_grad"]
    assert not norms(moved, names)[~learnt].any()
    scale = expected["upd_norm_f64"][learnt]
    sums = np.array([moved[name].sum() for name in names])
    error = np.abs(sums - expected["upd_sum_f64"])[learnt] / scale
    assert (error / np.sqrt(expected["n_params"][learnt])).max() < 5e-3
    error = np.abs(probes(moved, names) - expected["upd_probe_f64"])[learnt]
    assert (error / scale).max() < 0.05
    assert np.median(error / scale) < 2e-3
    longer = norms(after, names) - norms(before, names)
    error = np.abs(longer - expected["upd_l2_f64"])[learnt] / scale
    assert error.max() < 5e-3


@pytest.mark.parametrize("iteration", [0, 100])
def test_the_teacher_follows(expected, updated, iteration):
    decay = ema.decay_at(jnp.int32(iteration), 0.996, rampup=True)
    new = jax.jit(ema.update_average)(teacher(), updated, decay)
    names = expected["names"].tolist()
    before, after = by_name(teacher()), by_name(jax.device_get(new))
    moved = {name: after[name] - before[name] for name in names}
    key = f"ema{iteration}"
    scale = expected[f"{key}_norm"]
    np.testing.assert_allclose(norms(moved, names), scale, rtol=1e-3)
    sums = np.array([moved[name].sum() for name in names])
    error = np.abs(sums - expected[f"{key}_sum"]) / scale
    assert (error / np.sqrt(expected["n_params"])).max() < 1e-4
    longer = norms(after, names) - norms(before, names)
    assert (np.abs(longer - expected[f"{key}_l2"]) / scale).max() < 1e-4
    error = np.abs(probes(moved, names) - expected[f"{key}_probe"]) / scale
    assert error.max() < 2e-3


def test_fixmatch_of_v2(expected):
    """One strong view, no dropout, loss (x + u) / 2."""
    names = ("loss_x", "loss_u")
    grads, losses, (strong,) = run_method(fixmatch, expected, names)
    np.testing.assert_allclose(losses, expected["fixmatch_losses"], rtol=4e-6)
    np.testing.assert_allclose(
        small(strong), expected["fixmatch_logits_s1"], atol=2e-3
    )
    check_gradients(expected, grads, "fixmatch_")


def test_supervised_of_v2(expected):
    """Its loss is the labelled one of the whole step."""
    seen = []

    def watched(*arguments):
        output, statistics = forward(*arguments)
        seen.append(output.logits)
        return output, statistics

    @jax.jit
    def run(variables):
        outcome = supervised(
            watched,
            {**variables, "batch_stats": {}},
            None,
            Views(golden.images("img_x", SHAPE), labels()),
            labelled_loss=cross_entropy,
            threshold=0.95,
            unlabelled_weight=1.0,
        )
        return outcome.total, seen.pop()

    total, logits = jax.device_get(run(golden_v2.variables()))
    np.testing.assert_allclose(total, expected["losses"][0], rtol=4e-6)
    np.testing.assert_allclose(small(logits), expected["logits_x"], atol=2e-3)


def test_the_probe_sees_an_exchange_of_query_and_key(stepped):
    """Axes in another order leave a norm as it is, so the probe is needed."""
    name = "backbone.blocks.3.attn.qkv.weight"
    grad = by_name(stepped[0])[name]
    swapped = np.concatenate([grad[384:768], grad[:384], grad[768:]])
    norm = np.linalg.norm(grad)
    assert np.isclose(np.linalg.norm(swapped), norm)
    difference = golden_v2.probe(name, swapped) - golden_v2.probe(name, grad)
    assert abs(difference) > 0.1 * norm
    assert layouts.torch_shape((384, 1152), layouts.LINEAR) == grad.shape
