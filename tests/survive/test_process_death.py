"""If one of two processes is killed, the other ends and names it."""

import time

import pytest

from tests.survive.process_run import HERE, UNHEALTHY, ended, free_port, start

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("mode", "victim", "words"),
    [
        # An operation that waits for the lost process fails at once.
        ("talks", 1, "process 0 of 2 cannot reach process 1"),
        # jax ends a process that does not wait. Its task 0 is process 0.
        ("sleeps", 1, UNHEALTHY),
        ("sleeps", 0, "the leader (usually slice 0 task 0)"),
    ],
)
def test_the_other_process_ends_and_names_the_lost_one(mode, victim, words):
    port = str(free_port())
    command = [str(HERE / "lost_main.py"), mode, port]
    both = [start([*command, str(process)], 1) for process in (0, 1)]
    for process in both:
        lines = iter(process.stdout.readline, "")
        assert any(line == "ready\n" for line in lines)
    begun = time.monotonic()
    both[victim].kill()
    code, said = ended(both, timeout=120)[1 - victim]
    assert time.monotonic() - begun < 60
    assert code not in (0, 130, 143)
    assert words in said
