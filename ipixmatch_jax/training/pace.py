"""How fast a run trains, and how long it will still take."""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator

_MARKS = 10  # Lines of the log over which the speed is measured.


class Pace:
    """The speed of training, in which pauses do not count, and the time left.

    The time left is that of the steps that remain, at the speed of the last
    lines of the log, and of the evaluations that remain, each as long as the
    last one.
    """

    def __init__(
        self,
        start: int,
        steps: int,
        eval_every: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Starts the clock.

        Args:
          start: steps done before.
          steps: of the whole run.
          eval_every: steps from one evaluation to the next; 0: there is none.
          clock: gives seconds.
        """
        self._steps, self._eval_every, self._clock = steps, eval_every, clock
        self._paused = 0.0
        self._evaluation = 0.0
        self._marks = collections.deque([(start, clock())], _MARKS + 1)

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves the time inside a `with` block out of the speed."""
        began = self._clock()
        try:
            yield
        finally:
            self._paused += self._clock() - began

    @contextlib.contextmanager
    def evaluation(self) -> Iterator[None]:
        """A pause that the evaluations to come are expected to take too."""
        began = self._clock()
        with self.pause():
            yield
        self._evaluation = self._clock() - began

    def mark(self, step: int) -> float:
        """Steps per second since the last mark, which this call sets anew."""
        before, then = self._marks[-1]
        self._marks.append((step, self._now()))
        return (step - before) / max(self._now() - then, 1e-9)

    def restart(self, step: int) -> None:
        """Forgets the time before, in which the program was compiled."""
        self._marks.clear()
        self._marks.append((step, self._now()))

    def elapsed(self) -> float:
        """Seconds since the oldest mark that counts."""
        return self._now() - self._marks[0][1]

    def steps_per_second(self, step: int) -> float:
        """The speed up to `step` over the marks that count."""
        first, _ = self._marks[0]
        return (step - first) / max(self.elapsed(), 1e-9)

    def seconds_left(self, step: int) -> float:
        """The time that the run still takes after `step` steps."""
        training = (self._steps - step) / max(self.steps_per_second(step), 1e-9)
        return training + self._evaluations_left(step) * self._evaluation

    def _now(self) -> float:
        return self._clock() - self._paused

    def _evaluations_left(self, step: int) -> int:
        if not self._eval_every or step >= self._steps:
            return 0
        at_the_end = self._steps % self._eval_every > 0
        whole = self._steps // self._eval_every
        return whole - step // self._eval_every + at_the_end
