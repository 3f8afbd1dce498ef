"""The form of a computation that a platform takes."""

import functools

import jax
import jax.numpy as jnp
import pytest

from ipixmatch_jax.utils.by_platform import by_platform, trace_for


def forms(seen):
    """Three forms, which add 0, 1 and 2; `seen` lists what is traced."""

    def form(number, x):
        seen.append(number)
        return x + float(number)

    names = {"default": 0, "cpu": 1, "cuda": 2}
    return {n: functools.partial(form, number) for n, number in names.items()}


def lowered(function, platform):
    traced = jax.jit(function).trace(jnp.zeros(3))
    return traced.lower(lowering_platforms=(platform,)).as_text()


def test_a_program_for_any_platform_takes_the_form_of_its_own():
    def add(x):
        return by_platform(x, **forms([]))

    for platform, value in (("cpu", "1.0"), ("cuda", "2.0"), ("tpu", "0.0")):
        assert f"dense<{value}" in lowered(add, platform)


@pytest.mark.parametrize(("platform", "number"), [("cpu", 1), ("tpu", 0)])
def test_for_a_known_platform_its_form_alone_is_traced(platform, number):
    seen = []
    add = trace_for(platform, lambda x: by_platform(x, **forms(seen)))
    assert jax.jit(add)(jnp.zeros(3)).tolist() == [number] * 3
    assert set(seen) == {number}


def test_a_gpu_may_be_cuda_or_rocm_so_all_are_traced():
    seen = []
    add = trace_for("gpu", lambda x: by_platform(x, **forms(seen)))
    assert jax.jit(add)(jnp.zeros(3)).tolist() == [1.0] * 3
    assert set(seen) == {0, 1, 2}


def test_what_was_traced_for_one_platform_is_not_taken_for_another():
    shared = jax.jit(lambda x: by_platform(x, **forms([])))
    for platform, value in (("tpu", 0.0), ("cpu", 1.0), ("tpu", 0.0)):
        run = jax.jit(trace_for(platform, lambda x: shared(x)))
        assert run(jnp.zeros(3)).tolist() == [value] * 3
    assert shared(jnp.zeros(3)).tolist() == [1.0] * 3


def test_a_gradient_is_that_of_the_platforms_form():
    def cube(x):
        return by_platform(x, default=lambda x: x**2, cpu=lambda x: x**3)

    run = jax.jit(trace_for("cpu", jax.grad(cube)))
    assert run(2.0) == 12.0


def test_the_program_keeps_its_name():
    def train_step(x):
        return x

    for function in (train_step, functools.partial(train_step)):
        assert trace_for("cpu", function).__name__ == "train_step"
