"""Signals set a flag, and give back what they took."""

import os
import signal

import pytest

from ipixmatch_jax.preemption import StopRequest


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_is_remembered_with_its_exit_code(number, code):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.asked(0)
        os.kill(os.getpid(), number)
        assert stop.asked(1)
        assert stop.exit_code == code
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
