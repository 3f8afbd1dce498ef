"""XLA's flags are set where jax uses the CPU, and the user's stay."""

import subprocess
import sys

import pytest

from ipixmatch_jax.cli.compiler_flags import set_compiler_flags

FLAG = (
    "--xla_backend_extra_options="
    "xla_cpu_disable_loop_unrolling,xla_cpu_disable_slp_vectorizer"
)
OTHER = "--xla_cpu_enable_fast_math=false"

# Prints a sum that a program with the flag gives, where XLA knows the flag.
PROGRAM = """
from ipixmatch_jax.cli.prepare_jax import prepare_jax
prepare_jax("off")
import os
import jax, jax.numpy as jnp
print(os.environ["XLA_FLAGS"], jax.jit(jnp.sum)(jnp.arange(100)))
"""


@pytest.mark.parametrize("given", [None, "", OTHER])
def test_the_flag_is_added_to_the_users(given):
    environment = {"JAX_PLATFORMS": "cpu"}
    if given is not None:
        environment["XLA_FLAGS"] = given
    assert set_compiler_flags(environment)
    assert environment["XLA_FLAGS"] == f"{given or ''} {FLAG}".strip()
    assert not set_compiler_flags(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {"JAX_PLATFORMS": "cuda"},
        {"JAX_PLATFORMS": "tpu,cpu"},
        {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"{FLAG}=1"},
        {
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_backend_extra_options=",
        },
    ],
)
def test_accelerators_and_the_users_choice_stay_as_they_are(environment):
    before = dict(environment)
    assert not set_compiler_flags(environment)
    assert environment == before


def test_the_commands_set_it_before_xla_reads_its_flags():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [FLAG, "4950"]
