"""The maps of the inter-pixel term against NumPy in float64, mixed by loops."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import Consistency, NetworkOutput
from ipixmatch_jax.methods.compared_maps import compared_maps
from tests.losses.inter_pixel import twin
from tests.methods import loops
from tests.models.layers.test_area_average import average

IMAGE, OWN, GRID, STRIDE = (12, 9), (6, 5), (3, 3), 4
BOXES = np.int32([[1, 1, 8, 7], [0, 0, 0, 0], [3, 0, 12, 4], [0, 2, 5, 9]])
SETTINGS = {"temperature": 2.0, "threshold": 0.5}


@pytest.fixture(scope="module")
def case():
    """Outputs of student and teacher, not yet mixed, and the valid pixels."""
    rng = np.random.default_rng(0)

    def output():
        return NetworkOutput(
            *(
                np.float32(2 * rng.standard_normal((4, *size, 3)))
                for size in (IMAGE, OWN)
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
    inside = most(inside, OWN)
    mixed = np.float64(teacher.head_logits)
    for place in np.argwhere(inside):
        image, row, column = place
        partner = teacher.head_logits[image ^ 1, row, column]
        mixed[image, row, column] = partner
    q, p, size = np.float64(student.head_logits), mixed, OWN
    if on == "grid":
        q, p, size = average(q, GRID), average(p, GRID), GRID
    return q, p, most(loops.cut_mix(valid, BOXES), size)


@pytest.mark.parametrize("on", ["head", "grid"])
def test_the_maps_are_the_slow_ones(case, on):
    q, p, valid = compared_maps(pair_of(*case), on, STRIDE)
    expected = slow(*case, on)
    np.testing.assert_allclose(q, expected[0], atol=1e-5)
    np.testing.assert_allclose(p, expected[1], atol=1e-5)
    np.testing.assert_array_equal(valid, expected[2])
    assert not valid.all()


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

    q, p, cells = slow(*case, on)
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
