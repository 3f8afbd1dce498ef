"""Signals set a flag, and the old handlers are restored."""

import os
import signal

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from ipixmatch_jax.distributed.preemption import StopRequest


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
)
def test_a_signal_is_remembered_with_its_exit_code(number, code):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.asked(0)
        os.kill(os.getpid(), number)
        assert stop.asked(1)
        assert stop.exit_code == code
    assert signal.getsignal(number) is before


def test_a_second_interrupt_ends_the_run_at_once():
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_several_processes_agree_on_a_call_and_on_the_code(monkeypatch):
    sync = []

    def reached(call):
        sync.append(call)
        return call == 4

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        multihost_utils, "reached_preemption_sync_point", reached
    )
    # The other process got SIGINT, this one did not.
    monkeypatch.setattr(
        multihost_utils, "process_allgather", lambda x: np.array([x, 130])
    )
    with StopRequest() as stop:
        # Steps 1 and 2, and two batches of the evaluation after step 2.
        assert [stop.asked(step) for step in (1, 2, 2, 2, 2, 3)] == [
            *[False] * 3,
            *[True] * 3,
        ]
    assert sync == [1, 2, 3, 4]
    assert stop.exit_code == 130


def test_one_process_passes_ctrl_c_on_to_the_others(monkeypatch):
    # Replaces jax's service.
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGTERM, before)
    assert heard == ["SIGTERM"]
    assert stop.exit_code == 130
