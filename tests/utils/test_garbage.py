"""The pause of Python's garbage collector."""

import gc

import pytest

from ipixmatch_jax.utils.garbage import pause_collection


def test_the_collector_pauses_in_the_block_and_goes_on_after_an_error():
    with pytest.raises(ValueError, match="here"), pause_collection():
        assert not gc.isenabled()
        raise ValueError("here")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with pause_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
