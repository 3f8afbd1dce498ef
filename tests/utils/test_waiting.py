"""A wait for data is reported when it is long, and ends on a signal."""

from concurrent.futures import Future

import pytest

from ipixmatch_jax.utils import waiting


def test_what_is_done_is_not_waited_for():
    done = Future()
    done.set_exception(ValueError("of the caller's concern"))
    waiting.wait_for_data([done], lambda: pytest.fail("asked"), "it")


def test_a_long_wait_is_reported_once_and_ends_on_a_signal(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "_GLANCE", 0.01)
    answers = iter([False] * 5 + [True])
    with pytest.raises(waiting.StoppedWaitingError):
        waiting.wait_for_data([Future()], lambda: next(answers), "the batch")
    (line,) = caplog.messages
    assert line.startswith("NO DATA: the batch has not come for 0 s")
