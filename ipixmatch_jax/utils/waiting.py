"""Waiting for data that may never come, without being deaf to signals."""

import concurrent.futures
import logging
import time
from collections.abc import Callable, Sequence

_LOGGER = logging.getLogger(__name__)

# Seconds after which a warning says that nothing comes, and how often a wait
# is interrupted to look for a signal.
PATIENCE = 120.0
_GLANCE = 0.5


class StoppedWaitingError(Exception):
    """A signal came while data were waited for."""


def wait_for_data(
    futures: Sequence[concurrent.futures.Future],
    should_stop: Callable[[], bool],
    what: str,
) -> None:
    """Waits until all futures are done, whatever their results.

    Args:
      futures: of reads.
      should_stop: () -> whether to give up waiting.
      what: is waited for, for the warning, such as "the batch of step 3".

    Raises:
      StoppedWaitingError: `should_stop` said so before they were done.
    """
    start, warned = time.monotonic(), False
    while concurrent.futures.wait(futures, _GLANCE).not_done:
        if should_stop():
            raise StoppedWaitingError
        if not warned and time.monotonic() - start > PATIENCE:
            warned = True
            _LOGGER.warning(
                "NO DATA: %s has not come for %.0f s; what reads it, or the "
                "disk that it is on, hangs. The run waits; Ctrl-C or SIGTERM "
                "saves and ends it.",
                what,
                PATIENCE,
            )
