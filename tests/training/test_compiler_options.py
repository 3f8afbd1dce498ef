"""How a train step is traced and compiled for its platform."""

from benchmarks.noise import first_batch
from ipixmatch_jax.training.setup import compiler_options
from tests.tiny_run import build, tiny


def test_a_step_is_traced_in_its_platforms_form_alone():
    config = tiny()
    parts = build(config)
    batch, _ = first_batch(config, parts)
    traced = parts.train_step.trace(parts.like, batch)
    assert "platform_index" not in str(traced.jaxpr)


def test_a_cpu_leaves_out_the_users_passes_too(monkeypatch):
    given = "--xla_disable_hlo_passes=one,two --xla_cpu_use_xnnpack=false"
    monkeypatch.setenv("XLA_FLAGS", given)
    assert compiler_options("cpu") == {
        "xla_disable_hlo_passes": "one,two,cse_barrier_expander"
    }


def test_without_flags_a_cpu_leaves_out_one_pass(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert compiler_options("cpu") == {
        "xla_disable_hlo_passes": "cse_barrier_expander"
    }


def test_other_platforms_have_none():
    assert compiler_options("gpu") is None
    assert compiler_options("tpu") is None
