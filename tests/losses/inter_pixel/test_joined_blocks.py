"""The blocks of channel/kl are joined to the image's distribution."""

import numpy as np
import pytest

from tests.losses.inter_pixel import twin
from tests.losses.inter_pixel.test_loss import (
    at_once_or_not,
    draw,
    run,
    settings,
)

pytestmark = pytest.mark.slow


def _offset(q, p):
    return q + 10.0, p


def _one_student_pixel(q, p):
    q[0, 1, 1] += 9.0
    return q, p


def _one_teacher_pixel(q, p):
    p[0, 1, 1] += 9.0
    q[0, 1, 1] += 9.0
    q[0, 20, 20] -= 50.0
    return q, p


def _ramp(q, p):
    ramp = np.linspace(-8.0, 8.0, 24)[:, None, None]
    return q + 1.1 * ramp, p + ramp


@at_once_or_not
@pytest.mark.parametrize(
    "change", [_offset, _one_student_pixel, _one_teacher_pixel, _ramp]
)
def test_blocks_unlike_each_other_join_to_the_image(change, whole):
    """Means, largest logits and distances differ between the blocks."""
    shape = (1, 24, 24, 3)
    _, p, valid = draw(18, shape)
    noise = np.random.default_rng(19).standard_normal(shape)
    q, p = (np.float32(x) for x in change(p + 0.01 * noise, p.copy()))
    given = settings("channel", "kl", 1.0, 0.0)
    value, _, gradient, _ = run(q, p, valid, block=32, whole=whole, **given)
    expected = twin.per_image(q, p, valid, **given).mean()
    np.testing.assert_allclose(value, expected, rtol=2e-5)
    slope = twin.gradient(q, p, valid, **given)
    error = np.linalg.norm(gradient - slope)
    assert error < 1e-3 * np.linalg.norm(slope)
