"""The collector of garbage."""

import gc

from ipixmatch_jax.cli.garbage import collect_garbage_seldom


def test_the_collector_runs_seldom():
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        collect_garbage_seldom()
        assert gc.isenabled()
        assert gc.get_threshold() == (100_000, 50, 100)
    finally:
        gc.set_threshold(*before)
