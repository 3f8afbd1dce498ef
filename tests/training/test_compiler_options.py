"""The options with which a train step is compiled."""

from ipixmatch_jax.training.setup import compiler_options


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
