"""Stops a run after a save, on SIGTERM, SIGINT or SIGHUP."""

import os
import signal

import jax
import numpy as np
from jax.experimental import multihost_utils


class StopRequest:
    """Listens for SIGTERM, SIGINT and SIGHUP inside a `with` block.

    In a single process the signal handlers set a flag. With several, jax's
    own service listens for SIGTERM and lets all processes agree on when to
    stop; a process that gets SIGINT or SIGHUP passes it on to that service.
    SIGHUP, which a closed terminal sends, stays ignored under nohup.

    Attributes:
      exit_code: 143 after SIGTERM, 130 after SIGINT, 129 after SIGHUP, as a
        shell reports them; with several processes the lowest of theirs.
    """

    def __init__(self):
        self.exit_code = 143
        self._asked = False
        self._previous = {}
        # How often the service was asked, and whether it answered yes.
        self._calls = 0
        self._agreed = False

    def __enter__(self) -> "StopRequest":
        numbers = [signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        if jax.process_count() == 1:
            numbers.append(signal.SIGTERM)
        for number in numbers:
            self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame) -> None:
        if self._asked and number == signal.SIGINT:
            # The second Ctrl-C: the person does not want to wait for the save.
            raise KeyboardInterrupt
        self._asked = True
        self.exit_code = 128 + number
        if jax.process_count() > 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def asked(self, step: int) -> bool:
        """Whether to save and stop now, after `step` steps.

        Every process must ask equally often, in the loop and in evaluations;
        all get the same answer.
        """
        if jax.process_count() == 1:
            return self._asked
        if not self._agreed:
            # It counts calls and not steps: an evaluation asks many times at
            # one step, and must end before the next step.
            self._calls += 1
            self._agreed = multihost_utils.reached_preemption_sync_point(
                self._calls
            )
            if self._agreed:
                codes = multihost_utils.process_allgather(
                    np.int32(self.exit_code)
                )
                self.exit_code = int(codes.min())
        return self._agreed
