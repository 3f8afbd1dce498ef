"""The collector of garbage."""

import atexit
import gc

from ipixmatch_jax.cli import prepare_jax


def test_commands_let_the_collector_run_seldom(monkeypatch):
    # The worker keeps its own cache.
    monkeypatch.setattr(prepare_jax, "keep_compiled_programs", lambda _: None)
    at_exit = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        prepare_jax.prepare_jax("off")
        assert gc.isenabled()
        assert gc.get_threshold() == (100_000, 50, 100)
        assert gc.freeze in at_exit
    finally:
        gc.set_threshold(*before)
