"""Being told to stop: SIGTERM and SIGINT end a run after its save."""

import signal

import jax
from jax.experimental import multihost_utils


class StopRequest:
    """Listens for SIGTERM and SIGINT inside a `with` block.

    One process keeps a flag that its signal handlers set. With several, jax's
    own service listens for SIGTERM, and all of them agree on the step.

    Attributes:
      exit_code: 143 after SIGTERM, 130 after SIGINT, as a shell reports them.
    """

    def __init__(self):
        self.exit_code = 143
        self._asked = False
        self._previous = {}

    def __enter__(self) -> "StopRequest":
        if jax.process_count() == 1:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame) -> None:
        if self._asked and number == signal.SIGINT:
            # Asked twice: the person does not want to wait for the save.
            raise KeyboardInterrupt
        self._asked = True
        self.exit_code = 128 + number

    def asked(self, step: int) -> bool:
        """Whether to save and stop now; every process must ask every step."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self._asked
