"""A logger on its own thread: order, refusals, a service that never answers."""

import threading

import numpy as np
import pytest

from ipixmatch_jax.loggers.base import Logged, LoggerError
from ipixmatch_jax.loggers.sender import Sender


class Service:
    """A logger that refuses its first calls, and notes the others."""

    def __init__(self, refusals=0):
        self.refusals = refusals
        self.calls = []
        self.threads = set()

    def open(self, run):
        self.answer("open", run.workdir.name)
        return self

    def answer(self, *call):
        self.threads.add(threading.current_thread())
        if self.refusals:
            self.refusals -= 1
            raise LoggerError("No route to host.")
        self.calls.append(call)

    def write_scalars(self, step, values):
        self.answer(step, values)

    def write_picture(self, step, name, picture):
        self.answer(step, name, picture.shape)

    def close(self, *, failed):
        self.answer("close", failed)


def send(service, tmp_path, **how):
    sender = Sender("far", service.open, Logged(tmp_path / "mine", {}), **how)
    values = {"loss": 2.0}
    sender.write_scalars(1, values)
    values["loss"] = 0.0  # the caller may go on with its own
    sender.write_picture(2, "val", np.zeros((4, 6, 3), np.uint8))
    return sender


EVERYTHING = [
    ("open", "mine"),
    (1, {"loss": 2.0}),
    (2, "val", (4, 6, 3)),
    ("close", False),
]


def test_calls_keep_their_order_on_another_thread(tmp_path, caplog):
    service = Service()
    send(service, tmp_path).close(failed=False)
    assert service.calls == EVERYTHING
    assert threading.current_thread() not in service.threads
    assert not caplog.messages


def test_refused_calls_are_repeated_and_warned_of_once(tmp_path, caplog):
    service = Service(refusals=3)
    sender = send(service, tmp_path, pause=0.01)
    for _ in range(1000):
        if len(service.calls) == 3:
            break
        threading.Event().wait(0.01)
    sender.close(failed=False)
    assert service.calls == EVERYTHING
    assert caplog.messages == [
        "NOT LOGGED: far: No route to host. The run goes on and tries again."
    ]


def test_what_is_never_sent_is_said_at_the_end(tmp_path, caplog):
    service = Service(refusals=10**9)
    send(service, tmp_path, pause=60).close(failed=False)
    assert service.calls == []
    assert caplog.messages[-1] == (
        "NOT LOGGED: far has not got the last 4 calls of this run; "
        "metrics.jsonl has every line."
    )


@pytest.mark.parametrize("last", [0.01])
def test_a_service_that_hangs_does_not_hold_the_run_up(tmp_path, caplog, last):
    hangs = threading.Event()
    service = Service()
    service.write_scalars = lambda *_: hangs.wait(60)
    send(service, tmp_path, last=last).close(failed=False)
    assert "far has not got the last" in caplog.messages[-1]
    hangs.set()
