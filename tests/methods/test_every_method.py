"""What holds of every method: gradients, and the inter-pixel term apart."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods import two_students
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.training import optimiser, step
from tests.methods import loops, pixel_network

# Weight 0 and 0.3; everything else alike.
TERM = functools.partial(
    step.InterPixel, "channel", "correlation", temperature=1.0, threshold=0.5
)
HOSTS = sorted(set(METHODS) - {"supervised"})
TEACHERS = [(h, t) for h in HOSTS for t in (True, False)]
TEACHERS = [
    (host, teacher)
    for host, teacher in TEACHERS
    if (host, teacher) not in {("mean_teacher", False), ("cps", True)}
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
        METHODS[host],
        labelled_loss=cross_entropy,
        threshold=0.5,
        unlabelled_weight=1.0,
    )


def student_of(host):
    one = pixel_network.variables(0)
    if host != "cps":
        return one
    return two_students.variables(one, pixel_network.variables(1))


@functools.cache
def stepped(host, with_teacher, weight):
    schedule = optimiser.poly_schedule(0.1, 10)
    tx = optimiser.sgd(schedule, head_multiplier=1.0, weight_decay=0.0)
    state = step.create_state(student_of(host), tx, with_teacher=with_teacher)
    if with_teacher:
        # Otherwise teacher and student would agree from the start.
        state = step.dataclasses.replace(
            state, teacher=pixel_network.variables(1)
        )
    run = functools.partial(
        step.train_step,
        forward=pixel_network.forward,
        make_views=lambda views: views,
        method=bind(host),
        tx=tx,
        schedule=schedule,
        inter_pixel=TERM(weight=weight, warmup_steps=0),
        ema_decay=0.9,
        ema_rampup=False,
    )
    return jax.device_get(jax.jit(run)(state, draw(host, 5)))


@pytest.mark.parametrize(("host", "with_teacher"), TEACHERS)
def test_the_inter_pixel_term_changes_itself_alone(host, with_teacher):
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
    # The forward passes are the same ones, so are their statistics.
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6),
        joined.student["batch_stats"],
        without.student["batch_stats"],
    )


@pytest.mark.parametrize("host", sorted(set(HOSTS) - {"cps"}))
def test_the_teacher_gets_no_gradient(host):
    student, teacher = map(pixel_network.variables, (0, 1))
    views = draw(host, 6)

    def total(params):
        outcome = bind(host)(
            pixel_network.forward, student, {**teacher, "params": params}, views
        )
        return outcome.total

    grads = jax.grad(total)(teacher["params"])
    assert all(not np.any(g) for g in jax.tree.leaves(grads))


def test_each_of_the_two_students_learns_from_the_others_labels_alone():
    views = draw("cps", 7)
    student = student_of("cps")

    def cross(params):
        variables = {**student, "params": params}
        outcome = bind("cps")(pixel_network.forward, variables, None, views)
        return outcome.metrics["loss_u_1"]

    grads = jax.grad(cross)(student["params"])
    assert all(np.any(g) for g in jax.tree.leaves(grads["student"]))
    assert all(not np.any(g) for g in jax.tree.leaves(grads["twin"]))


@pytest.mark.parametrize("host", ["fixmatch", "unimatch", "augseg"])
def test_a_student_that_labels_gets_no_gradient_through_its_labels(host):
    """A label's logits, however they move, leave the loss where it is."""
    student, views = pixel_network.variables(0), draw(host, 8)
    outcome = bind(host)(pixel_network.forward, student, None, views)

    def targets(params):
        variables = {**student, "params": params}
        outcome = bind(host)(pixel_network.forward, variables, None, views)
        return sum(pair.teacher_logits.sum() for pair in outcome.consistency)

    grads = jax.grad(targets)(student["params"])
    assert all(not np.any(g) for g in jax.tree.leaves(grads))
    assert np.isfinite(outcome.total)
