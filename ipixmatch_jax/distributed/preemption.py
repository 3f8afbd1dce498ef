"""Stops a run after a save, on SIGTERM, SIGINT or SIGHUP."""

import contextlib
import logging
import os
import signal
import threading

import jax
import numpy as np
from jax.experimental import multihost_utils

from ipixmatch_jax.distributed.hear_signals import end_process, hear_signals

_LOGGER = logging.getLogger(__name__)
# Seconds that the main thread has to end the run after the second Ctrl-C.
PATIENCE = 10.0


class StopRequest:
    """Listens for SIGTERM, SIGINT and SIGHUP inside a `with` block.

    In a single process the signal handlers set a flag. With several, jax's
    own service listens for SIGTERM and lets all processes agree on when to
    stop; a process that gets SIGINT or SIGHUP passes it on to that service.
    SIGHUP, which a closed terminal sends, stays ignored under nohup.

    A signal is acknowledged at once, also during a compilation, which cannot
    be cut short. The second Ctrl-C ends the run without a save.

    Attributes:
      doing: what has to end before the run can stop, for the message.
      exit_code: 143 after SIGTERM, 130 after SIGINT, 129 after SIGHUP, as a
        shell reports them; with several processes the lowest of theirs.
    """

    def __init__(self):
        self.doing = ""
        self.exit_code = 143
        self._asked = False
        self._previous = {}
        self._acknowledged = False
        self._left = threading.Event()
        self._close = contextlib.ExitStack()
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
        self.doing = "the compilation and the first step"
        self._left.clear()
        self._close.enter_context(hear_signals(self._acknowledge))
        return self

    def __exit__(self, *exception) -> None:
        self._left.set()
        self._close.close()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _acknowledge(self, number: int) -> None:
        """Says that a signal was heard; not in the main thread."""
        if number not in self._previous:
            return
        if not self._acknowledged:
            self._acknowledged = True
            name = signal.Signals(number).name
            again = number == signal.SIGINT
            _LOGGER.warning(
                "%s: stopping after %s, then saving. Ctrl-C%s ends the run "
                "without a save.",
                "Ctrl-C" if again else name,
                self.doing,
                " again" if again else "",
            )
        elif number == signal.SIGINT and not self._left.wait(PATIENCE):
            _LOGGER.warning("Ended by Ctrl-C, without a save.")
            end_process(128 + number)

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
