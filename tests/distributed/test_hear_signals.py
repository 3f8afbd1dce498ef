"""A signal is acknowledged while the main thread runs something long."""

import ctypes
import logging
import os
import signal
import threading

import pytest

from ipixmatch_jax.distributed import hear_signals, preemption
from ipixmatch_jax.distributed.preemption import StopRequest

SECONDS = 60


class Pipe(logging.Handler):
    """Writes a byte for each line that is logged."""

    def __init__(self):
        super().__init__()
        self.reader, self.writer = os.pipe()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())
        os.write(self.writer, b"x")


@pytest.fixture(autouse=True)
def unblocked():
    yield
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


@pytest.fixture
def logged():
    handler = Pipe()
    logger = logging.getLogger("ipixmatch_jax")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class Poll(ctypes.Structure):
    _fields_ = (
        ("fd", ctypes.c_int),
        ("events", ctypes.c_short),
        ("revents", ctypes.c_short),
    )


def compile_until(descriptor):
    """Blocks in C until a descriptor can be read, as in a compilation.

    Returns:
      whether it could be read in time.
    """
    POLLIN = 1
    poll = Poll(descriptor, POLLIN, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.poll(ctypes.byref(poll), 1, SECONDS * 1000) == 1


def signal_from_a_thread(number):
    """Sends a signal to the process; the main thread's C code goes on."""

    def send():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_kill(threading.get_ident(), number)

    # Otherwise the system may interrupt the main thread's call.
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("number", "name", "again"),
    [
        (signal.SIGTERM, "SIGTERM", "Ctrl-C ends the run without"),
        (signal.SIGHUP, "SIGHUP", "Ctrl-C ends the run without"),
        (signal.SIGINT, "Ctrl-C", "Ctrl-C again ends the run without"),
    ],
)
def test_a_signal_during_a_compilation_is_acknowledged_at_once(
    logged, number, name, again
):
    with StopRequest() as stop:
        thread = signal_from_a_thread(number)
        assert compile_until(logged.reader)
        thread.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        assert stop.asked(0)
    (line,) = logged.lines
    assert line.startswith(f"{name}: stopping after the compilation and the f")
    assert again in line


class _NeverLeft:
    """Stands for a main thread that does not leave the run."""

    def wait(self, seconds):
        return False

    def set(self):
        pass

    clear = set


def test_the_second_ctrl_c_ends_a_run_that_cannot_react(logged, monkeypatch):
    ended = []
    monkeypatch.setattr(preemption, "end_process", ended.append)
    stop = StopRequest()
    stop._left = _NeverLeft()
    with pytest.raises(KeyboardInterrupt), stop:
        stop.doing = "this step"
        for _ in range(2):
            signal_from_a_thread(signal.SIGINT).join()
            assert compile_until(logged.reader)
            os.read(logged.reader, 1)
    assert ended == [130]
    assert logged.lines == [
        "Ctrl-C: stopping after this step, then saving. Ctrl-C again ends the "
        "run without a save.",
        "Ended by Ctrl-C, without a save.",
    ]


def test_before_a_run_ctrl_c_is_acknowledged_too(logged, monkeypatch):
    ended = []
    monkeypatch.setattr(hear_signals, "end_process", ended.append)
    with pytest.raises(KeyboardInterrupt), hear_signals.acknowledge_ctrl_c():
        signal_from_a_thread(signal.SIGINT).join()
        assert compile_until(logged.reader)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    assert "Ctrl-C: stopping when the compilation" in logged.lines[0]
    assert not ended


def test_what_listened_before_listens_again():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    with hear_signals.hear_signals(lambda number: None):
        pass
    assert signal.set_wakeup_fd(before) == writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(("code", "processes"), [(143, 1), (0, 1), (143, 2)])
def test_only_a_stopped_run_that_is_alone_waits_for_no_thread(
    monkeypatch, code, processes
):
    def end(code):
        raise SystemExit(f"at once {code}")

    monkeypatch.setattr(hear_signals, "end_process", end)
    monkeypatch.setattr(hear_signals.jax, "process_count", lambda: processes)
    with pytest.raises(SystemExit) as left:
        hear_signals.exit_stopped(code)
    at_once = code == 143 and processes == 1
    assert left.value.code == (f"at once {code}" if at_once else code)
