"""The maps of the inter-pixel term against NumPy in float64, mixed by loops."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import Consistency, NetworkOutput
from ipixmatch_jax.methods.compared_maps import check_map, compared_maps
from tests.losses.inter_pixel import twin
from tests.methods import loops
from tests.models.layers.test_area_average import average

IMAGE, OWN, GRID, STRIDE = (12, 9), (6, 5), (3, 3), 4
FEATURES = (4, 3)
BOXES = np.int32([[1, 1, 8, 7], [0, 0, 0, 0], [3, 0, 12, 4], [0, 2, 5, 9]])
SETTINGS = {"temperature": 2.0, "threshold": 0.5}


@pytest.fixture(scope="module")
def case():
    """Outputs of student and teacher, not yet mixed, and the valid pixels."""
    rng = np.random.default_rng(0)

    def output():
        return NetworkOutput(
            *(
                np.float32(2 * rng.standard_normal((4, *size, channels)))
                for size, channels in ((IMAGE, 3), (OWN, 3), (FEATURES, 6))
            )
        )

    valid = np.ones((4, *IMAGE), bool)
    valid[0, 9:], valid[3, :, 5:] = False, False
    return output(), output(), valid


def pair_of(student, teacher, valid):
    return Consistency(
        student,
        common.cutmix_output(teacher, BOXES, None),
        common.cutmix(valid, BOXES, None),
    )


def most(mask, size):
    return average(mask[..., None], size)[..., 0] >= 0.5


def slow(student, teacher, valid, on):
    """compared_maps of the pair in float64, cell by cell."""
    inside = np.zeros(valid.shape, bool)
    for image, (top, left, bottom, right) in enumerate(BOXES):
        inside[image, top:bottom, left:right] = True
    q, p = np.float64(student.head_logits), mix(teacher.head_logits, inside)
    size, gate = OWN, None
    if on == "grid":
        q, p, size = average(q, GRID), average(p, GRID), GRID
    if on == "features":
        size, gate = FEATURES, average(p, FEATURES)
        q, p = np.float64(student.features), mix(teacher.features, inside)
    return q, p, most(loops.cut_mix(valid, BOXES), size), gate


def mix(x, inside):
    """The map x, with the neighbour's cells under most of the boxes."""
    mixed = np.float64(x)
    for image, row, column in np.argwhere(most(inside, x.shape[1:3])):
        mixed[image, row, column] = x[image ^ 1, row, column]
    return mixed


@pytest.mark.parametrize("on", ["head", "grid", "features"])
def test_the_maps_are_the_slow_ones(case, on):
    run = jax.jit(lambda pair: compared_maps(pair, on, STRIDE))
    q, p, valid, gate = jax.device_get(run(pair_of(*case)))
    expected = slow(*case, on)
    np.testing.assert_allclose(q, expected[0], atol=1e-5)
    np.testing.assert_allclose(p, expected[1], atol=1e-5)
    np.testing.assert_array_equal(valid, expected[2])
    assert not valid.all()
    assert (gate is not None) == (on == "features")
    if gate is not None:
        np.testing.assert_allclose(gate, expected[3], atol=1e-5)


def test_at_the_images_size_nothing_is_changed(case):
    pair = pair_of(*case)
    maps = compared_maps(pair, "logits", STRIDE)
    assert maps[0] is pair.student.logits
    assert maps[1] is pair.teacher.logits
    assert maps[2] is pair.valid


@pytest.mark.slow
@pytest.mark.parametrize("on", ["head", "grid"])
def test_every_reading_equals_its_float64_version(case, on):
    student, teacher, valid = case

    def values(head_logits, names):
        pair = pair_of(
            student._replace(head_logits=head_logits), teacher, valid
        )
        maps = compared_maps(pair, on, STRIDE)
        return inter_pixel_loss(
            *maps, relation=names[0], distance=names[1], **SETTINGS
        )[0]

    @jax.jit
    def every(head_logits):
        return [
            jax.value_and_grad(functools.partial(values, names=names))(
                head_logits
            )
            for names in READINGS
        ]

    q, p, cells, _ = slow(*case, on)
    for names, (value, gradient) in zip(
        READINGS, every(student.head_logits), strict=True
    ):
        settings = {"relation": names[0], "distance": names[1], **SETTINGS}
        expected = twin.per_image(q, p, cells, **settings).mean()
        np.testing.assert_allclose(value, expected, rtol=1e-4, err_msg=names)
        slope = twin.gradient(q, p, cells, **settings)
        if on == "grid":
            slope = spread(slope)
        error = np.linalg.norm(gradient - slope)
        assert error < 1e-3 * np.linalg.norm(slope), names


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_agents_of_features_equal_their_float64_version(case, threshold):
    student, teacher, valid = case
    settings = {"temperature": 0.5, "relation": "agents", "distance": "kl"}
    settings["agents"] = 5

    @functools.partial(jax.jit, static_argnames="threshold")
    def value_and_slopes(student, teacher, threshold):
        def value(student, teacher):
            maps = compared_maps(
                pair_of(student, teacher, valid), "features", STRIDE
            )
            return inter_pixel_loss(*maps, threshold=threshold, **settings)[0]

        return jax.value_and_grad(value, (0, 1))(student, teacher)

    value, (slope, to_teacher) = value_and_slopes(student, teacher, threshold)
    q, p, cells, gate = slow(*case, "features")
    cells &= twin.softmax(gate).max(-1) >= threshold
    assert 2 < cells.sum() < cells.size
    settings["threshold"] = 0.0
    expected = twin.per_image(q, p, cells, **settings).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    error = np.linalg.norm(
        slope.features - twin.gradient(q, p, cells, **settings)
    )
    assert error < 1e-3 * np.linalg.norm(slope.features)
    assert not np.any(slope.logits)
    assert not np.any(slope.head_logits)
    assert all(not np.any(x) for x in jax.tree.leaves(to_teacher))


def spread(slope):
    """The gradient by the head's map, of that by its averages."""
    cells = np.eye(np.prod(OWN)).reshape(-1, *OWN, 1)
    weights = average(cells, GRID)[..., 0]
    spread = np.einsum("nij,bijc->bnc", weights, slope)
    return spread.reshape(len(slope), *OWN, -1)


def test_a_pair_without_the_heads_map_is_refused(case):
    student, teacher, valid = case
    pair = pair_of(NetworkOutput(student.logits), teacher, valid)
    with pytest.raises(ValueError, match=r"inter_pixel\.on=grid compares"):
        compared_maps(pair, "grid", STRIDE)
    with pytest.raises(ValueError, match=r"inter_pixel\.on=features compares"):
        compared_maps(pair, "features", STRIDE)


@pytest.mark.parametrize(
    ("relation", "distance", "on", "sentence"),
    [
        ("agents", "kl", "head", r"add --config\.inter_pixel\.on=features"),
        ("channel", "kl", "features", "goes with the relation agents"),
    ],
)
def test_readings_and_maps_that_do_not_fit(relation, distance, on, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_map(relation, distance, on)


@pytest.mark.parametrize(("relation", "distance"), READINGS)
def test_every_reading_fits_a_map(relation, distance):
    on = "features" if relation == "agents" else "grid"
    check_map(relation, distance, on)
