"""Decay sequences of the reference systems, and the average itself."""

import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.training import ema


@pytest.mark.parametrize("decay", [0.996, 0.999, 0.99])
def test_rampup_equals_that_of_unimatch_v2_augseg_and_pixelssl(decay):
    actual = [
        ema.decay_at(jnp.int32(k), decay, rampup=True) for k in range(2000)
    ]
    expected = [min(1 - 1 / (k + 1), decay) for k in range(2000)]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_augseg_copies_the_student_for_its_first_epoch():
    """Four steps per epoch; its code compares epochs strictly."""
    actual = [
        ema.decay_at(jnp.int32(k), 0.9, rampup=True, copy_steps=4)
        for k in range(12)
    ]
    expected = [0.0] * 4 + [min(1 - 1 / (k + 1), 0.9) for k in range(4, 12)]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_without_rampup_the_decay_is_constant():
    assert ema.decay_at(jnp.int32(0), 0.99, rampup=False) == np.float32(0.99)


def test_the_teacher_is_the_weighted_sum_of_its_students():
    rng = np.random.default_rng(0)
    students = rng.standard_normal((5, 3))
    decays = [0.0, 0.5, 0.7, 0.9, 0.9]
    teacher = {"w": jnp.zeros(3)}
    for student, decay in zip(students, decays, strict=True):
        teacher = ema.update_average(
            teacher, {"w": jnp.asarray(student)}, decay
        )
    weights = [(1 - d) * np.prod(decays[i + 1 :]) for i, d in enumerate(decays)]
    np.testing.assert_allclose(teacher["w"], weights @ students, rtol=1e-5)
