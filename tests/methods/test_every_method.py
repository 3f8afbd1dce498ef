"""Gradients of every method, and the effect of the inter-pixel term."""

import functools

import jax
import numpy as np
import pytest

from benchmarks.collectives import collectives
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.base import AVERAGED
from ipixmatch_jax.methods.networks import join_networks
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.optimisers.param_groups import faster_head
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.optimisers.sgd import sgd
from ipixmatch_jax.training import step
from ipixmatch_jax.utils.by_platform import trace_for
from tests.methods import loops, pixel_network

pytestmark = pytest.mark.slow

# Weights 0 and 0.3; everything else is the same.
TERM = functools.partial(
    step.InterPixel, "channel", "correlation", temperature=1.0, threshold=0.5
)
HOSTS = sorted(name for name in METHODS if METHODS[name].compares_views)
TEACHERS = [
    (host, teacher == AVERAGED)
    for host in HOSTS
    for teacher in METHODS[host].teacher
]


def draw(host, seed):
    views = loops.draw_views(seed)
    if host != "augseg":
        return views
    rng = np.random.default_rng(seed)
    drawn = {
        "inject": np.float32(rng.random(4)),
        "labelled_box": np.int32([[0, 0, 4, 4]] * 4),
    }
    first = {"strong": views.strong[:1], "box": views.box[:1]}
    return views._replace(drawn=drawn, **first)


def bind(host):
    return functools.partial(
        METHODS[host].loss,
        labelled_loss=cross_entropy,
        threshold=0.5,
        unlabelled_weight=1.0,
    )


@functools.cache
def run_method(host):
    """Takes student, teacher and views."""
    return jax.jit(functools.partial(bind(host), pixel_network.forward))


def student_of(host):
    names = METHODS[host].networks
    return join_networks(
        {name: pixel_network.variables(i) for i, name in enumerate(names)}
    )


def make_step(host, with_teacher, weight, mesh=None):
    """The state and the step of a method on the pixel network."""
    schedule = poly_schedule(0.1, 10)
    tx = sgd(schedule, groups=faster_head(1.0), weight_decay=0.0)
    state = step.create_state(student_of(host), tx, with_teacher=with_teacher)
    if with_teacher:
        # Otherwise teacher and student would be equal at first.
        state = step.dataclasses.replace(
            state, teacher=pixel_network.variables(1)
        )
    run = functools.partial(
        step.train_step,
        forward=pixel_network.forward,
        make_views=lambda views: views._replace(mesh=mesh),
        method=bind(host),
        tx=tx,
        schedule=schedule,
        inter_pixel=TERM(weight=weight, warmup_steps=0),
        ema_decay=0.9,
        ema_rampup=False,
        mesh=mesh,
    )
    return state, trace_for("cpu", run)  # as a run does


@functools.cache
def stepped(host, with_teacher, weight):
    state, run = make_step(host, with_teacher, weight)
    return jax.device_get(jax.jit(run)(state, draw(host, 5)))


@pytest.mark.parametrize(("host", "with_teacher"), TEACHERS)
def test_the_inter_pixel_term_changes_no_other_loss(host, with_teacher):
    without, plain = stepped(host, with_teacher, 0.0)
    joined, metrics = stepped(host, with_teacher, 0.3)
    added = {"loss_ip", "inter_pixel_share"}
    assert set(metrics) - set(plain) == added
    assert metrics["loss_ip"] > 0
    for name in set(plain) - {"loss", "grad_norm"}:
        np.testing.assert_allclose(metrics[name], plain[name], rtol=1e-6)
    np.testing.assert_allclose(
        metrics["loss"], plain["loss"] + 0.3 * metrics["loss_ip"], rtol=1e-5
    )
    assert metrics["grad_norm"] != plain["grad_norm"]
    # The forward passes are the same, so their statistics are too.
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6),
        joined.student["batch_stats"],
        without.student["batch_stats"],
    )


# Beside all-reduces, the arrays of which each device sends one image: strong
# views, logits (or classes and confidences) and valid pixels.
EXCHANGED = {
    "mean_teacher": 3,
    "fixmatch": 3,
    "unimatch": 4,
    "unimatch_v2": 4,
    "augseg": 5,
    "cps": 4,
}


@pytest.mark.parametrize("host", HOSTS)
def test_one_image_a_device_agrees_with_one_device(host):
    with_teacher = AVERAGED in METHODS[host].teacher
    one, expected = stepped(host, with_teacher, 0.3)
    mesh = sharding.make_mesh(4, 1)
    state, run = make_step(host, with_teacher, 0.3, mesh)
    across = sharding.batch_sharding(mesh)
    whole = sharding.replicated(mesh)
    step_of_four = jax.jit(
        run, in_shardings=(whole, across), out_shardings=whole
    )
    compiled = step_of_four.lower(state, draw(host, 5)).compile()
    many, metrics = compiled(state, draw(host, 5))
    agree = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(agree, jax.device_get(many), one)
    jax.tree.map(agree, jax.device_get(metrics), expected)
    found = collectives(compiled.as_text())
    sent = [c.shape for c in found if c.kind == "collective-permute"]
    assert len(sent) == EXCHANGED[host]
    assert all(shape[0] == 1 for shape in sent)
    # UniMatch V2 ranks one number of every image to choose half of them.
    others = {"all-gather"} if host == "unimatch_v2" else set()
    others |= {"all-reduce", "collective-permute"}
    assert {c.kind for c in found} <= others
    gathered = [c.shape for c in found if c.kind == "all-gather"]
    assert all(shape == (4,) for shape in gathered)


@pytest.mark.parametrize(
    "host", [h for h in HOSTS if AVERAGED in METHODS[h].teacher]
)
def test_the_teacher_gets_no_gradient(host):
    student, teacher = map(pixel_network.variables, (0, 1))
    views = draw(host, 6)

    def total(params):
        outcome = bind(host)(
            pixel_network.forward, student, {**teacher, "params": params}, views
        )
        return outcome.total

    grads = jax.jit(jax.grad(total))(teacher["params"])
    assert all(not np.any(g) for g in jax.tree.leaves(grads))


@pytest.mark.parametrize(("host", "with_teacher"), TEACHERS)
def test_the_heads_maps_are_mixed_as_the_images_are(host, with_teacher):
    """Boxes on even pixels, so that each pixel's cell is pasted or not."""
    boxes = np.array([[0, 2, 4, 6], [0, 0, 0, 0], [2, 0, 6, 2], [0, 2, 2, 6]])
    views = draw(host, 9)
    views = views._replace(box=tuple(boxes for _ in views.box))
    teacher = pixel_network.variables(1) if with_teacher else None
    outcome = run_method(host)(student_of(host), teacher, views)
    for pair in outcome.consistency:
        for output in (pair.student, pair.teacher):
            np.testing.assert_array_equal(
                output.head_logits, output.logits[:, ::2, ::2]
            )
            np.testing.assert_allclose(
                output.features, np.sin(output.head_logits), atol=1e-6
            )


@pytest.mark.parametrize("host", sorted(METHODS))
def test_the_outputs_of_labelled_images_give_the_labelled_loss(host):
    views = draw(host, 10)
    with_teacher = METHODS[host].teacher[0] == AVERAGED
    teacher = pixel_network.variables(1) if with_teacher else None
    outcome = run_method(host)(student_of(host), teacher, views)
    assert len(outcome.labelled) == len(METHODS[host].networks)
    losses = [
        cross_entropy(output.logits, views.labels)
        for output in outcome.labelled
    ]
    np.testing.assert_allclose(
        sum(losses), outcome.metrics["loss_x"], rtol=1e-6
    )


def test_each_student_learns_only_from_the_others_labels():
    views = draw("cps", 7)
    student = student_of("cps")

    def cross(params):
        variables = {**student, "params": params}
        outcome = bind("cps")(pixel_network.forward, variables, None, views)
        return outcome.metrics["loss_u_1"]

    grads = jax.jit(jax.grad(cross))(student["params"])
    assert all(np.any(g) for g in jax.tree.leaves(grads["student"]))
    assert all(not np.any(g) for g in jax.tree.leaves(grads["twin"]))


@pytest.mark.parametrize("host", ["fixmatch", "unimatch", "augseg"])
def test_a_student_that_labels_gets_no_gradient_through_its_labels(host):
    """Changing the logits that give the labels does not change the loss."""
    student, views = pixel_network.variables(0), draw(host, 8)
    outcome = run_method(host)(student, None, views)

    def targets(params):
        variables = {**student, "params": params}
        outcome = bind(host)(pixel_network.forward, variables, None, views)
        return sum(pair.teacher.logits.sum() for pair in outcome.consistency)

    grads = jax.jit(jax.grad(targets))(student["params"])
    assert all(not np.any(g) for g in jax.tree.leaves(grads))
    assert np.isfinite(outcome.total)


def test_what_each_method_needs():
    """By hand, from the papers: teachers, networks, views to compare."""
    both = ("ema", "shared")
    needs = {
        "supervised": (False, False, both, ("student",)),
        "mean_teacher": (True, True, ("ema",), ("student",)),
        "fixmatch": (True, True, both, ("student",)),
        "unimatch": (True, True, both, ("student",)),
        "unimatch_v2": (True, True, ("ema",), ("student",)),
        "augseg": (True, True, both, ("student",)),
        "cps": (True, True, ("shared",), ("student", "twin")),
    }
    assert needs == {
        name: (m.uses_unlabelled, m.compares_views, m.teacher, m.networks)
        for name, m in METHODS.items()
    }
