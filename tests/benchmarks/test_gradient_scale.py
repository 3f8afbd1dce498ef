"""Gradient norms of the readings against finite differences in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import gradient_scale
from ipixmatch_jax.configs import shapes
from ipixmatch_jax.methods.base import (
    Consistency,
    NetworkOutput,
    Outcome,
    Views,
)
from ipixmatch_jax.methods.compared_maps import readings_on
from ipixmatch_jax.sweep import grid
from tests.losses.inter_pixel import twin as twin

pytestmark = pytest.mark.slow

SCALE = 0.7
OF_LOGITS = readings_on("logits")


def forward(variables, images, train, perturb=None):
    """A network of one parameter: the logits are the scaled image."""
    del train, perturb
    return NetworkOutput(variables["params"]["scale"] * images), {}


def method(forward, student, teacher, views, *, unlabelled_weight):
    """A host whose losses have derivatives that are easy by hand."""
    labelled, _ = forward(student, views.labelled, True)
    strong, _ = forward(student, views.strong[0], True)
    weak, _ = forward(teacher, views.weak, False)
    strong_sum = (strong.logits**2).sum()
    total = (labelled.logits.mean() + unlabelled_weight * strong_sum) / 2
    return Outcome(total, [Consistency(strong, weak, views.valid)], {}, {})


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    labelled, weak, strong = rng.standard_normal((3, 2, 4, 3, 5)) * 2
    valid = rng.random((2, 4, 3)) > 0.2
    views = Views(
        *(jnp.float32(labelled), jnp.zeros((2, 4, 3), jnp.int32)),
        weak=jnp.float32(weak),
        strong=(jnp.float32(strong),),
        valid=jnp.asarray(valid),
    )
    norms = functools.partial(
        gradient_scale.norms,
        forward=forward,
        method=method,
        unlabelled_weight=3.0,
        threshold=0.5,
        temperature=2.0,
    )
    variables = {
        "student": {"params": {"scale": jnp.float32(SCALE)}},
        "teacher": {"params": {"scale": jnp.float32(1.0)}},
    }
    return labelled, weak, strong, valid, jax.jit(norms)(variables, views)


def test_the_norms_of_the_total_and_its_unlabelled_part(case):
    labelled, _, strong, _, measured = case
    pixel = 3.0 * SCALE * (strong**2).sum()
    assert float(measured["pixel"]) == pytest.approx(pixel, rel=1e-5)
    total = pixel + labelled.mean() / 2
    assert float(measured["total"]) == pytest.approx(abs(total), rel=1e-5)


@pytest.mark.parametrize("pair", OF_LOGITS, ids="/".join)
def test_the_norm_of_a_reading_is_its_finite_difference(case, pair):
    _, weak, strong, valid, measured = case

    def value(scale):
        return twin.per_image(
            scale * strong,
            weak,
            valid,
            relation=pair[0],
            distance=pair[1],
            temperature=2.0,
            threshold=0.5,
        ).mean()

    step = 1e-5
    slope = (value(SCALE + step) - value(SCALE - step)) / (2 * step)
    name = "/".join(pair)
    assert float(measured[name]) == pytest.approx(abs(slope), rel=1e-3)


def test_readings_are_chosen_by_name():
    choose = gradient_scale.choose_readings
    assert choose(None, "logits") is None
    assert choose(["agents/kl"], "features") == [("agents", "kl")]
    pairs = choose(["pixel/kl", "dist/correlation"], "head")
    assert pairs == [("pixel", "kl"), ("dist", "correlation")]
    with pytest.raises(ValueError, match=r"inter_pixel\.on=features"):
        choose(["agents/kl"], "head")
    with pytest.raises(ValueError, match="the pairs are"):
        choose(["pixel"], "head")


def test_a_changed_field_stands_in_every_cell(tmp_path):
    results = {0.0: {"agents/kl": 4.0, "pixel": 2.0, "total": 3.0}}
    axis = gradient_scale.axis(results, [0.1, 1.0], {"on": "features"})
    cells = grid.make_grid(shapes.get_config(), [axis], None, tmp_path).cells
    terms = [cell.config.inter_pixel for cell in cells]
    assert [x.weight for x in terms] == [0.05, 0.5]
    assert {(x.relation, x.on) for x in terms} == {("agents", "features")}


def test_a_host_without_an_unlabelled_gradient_is_refused():
    result = {"pixel": 1e-8, "total": 1.0}
    with pytest.raises(ValueError, match="hardly a pixel passes"):
        gradient_scale.check_pull(result, 0.9)
    gradient_scale.check_pull(result | {"pixel": 1e-3}, 0.9)


@pytest.fixture
def results():
    result = dict.fromkeys(("/".join(pair) for pair in OF_LOGITS), 4.0)
    return {0.9: result | {"pixel": 2.0, "total": 3.0, "pixel/kl": 0.0}}


def test_the_table_shows_ratios_and_weights(results):
    text = gradient_scale.table(results, [0.1, 1.0])
    assert "| 0.9 | channel/kl | 2 | 0.05 | 0.5 |" in text
    assert "| 0.9 | pixel/kl | 0 | - | - |" in text


def test_a_sweep_accepts_the_axis(results, tmp_path):
    config = shapes.get_config()
    axis = gradient_scale.axis(results, [0.1, 1.0])
    cells = grid.make_grid(config, [axis], None, tmp_path).cells
    assert len(cells) == 12  # six readings with a gradient, two weights each
    assert cells[1].config.inter_pixel.weight == 0.5
    assert cells[1].config.inter_pixel.threshold == 0.9
    assert cells[9].config.inter_pixel.distance == "kl"
    assert cells[9].config.inter_pixel.relation == "affinity"
