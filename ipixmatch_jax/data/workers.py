"""Reads batches ahead, in threads or in processes that may be killed."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker

import grain

from ipixmatch_jax.data import worker_room
from ipixmatch_jax.utils.errors import RunError
from ipixmatch_jax.utils.waiting import StoppedWaitingError, wait_for_data

_LOGGER = logging.getLogger(__name__)

# How many times in a row workers are restarted for one batch.
RESTARTS = 2
# The message by which grain says that a worker process has died.
_GONE = "Worker process was terminated unexpectedly"


class WorkersLostError(RunError):
    """Data workers were killed RESTARTS + 1 times for one batch."""


class Batches:
    """An iterator over batches from a step on; close it with `.close()`.

    A batch is a function of its step, so nothing is lost when a worker dies:
    all workers are restarted at the step that is missing.
    """

    def __init__(
        self,
        batches: grain.MapDataset,
        start_step: int,
        num_workers: int,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        """Starts reading ahead.

        Args:
          batches: of `pipeline.train_batches`.
          start_step: the first batch; a resumed run continues exactly.
          num_workers: processes that read ahead; 0 reads ahead in threads.
          should_stop: () -> whether to give up waiting for a batch.
        """
        self._should_stop = should_stop
        self._waiter = ThreadPoolExecutor(1, initializer=_block_ctrl_c)
        self._batches = batches
        self._step = start_step
        self._num_workers = num_workers
        self._iterator = self._start()

    def __iter__(self) -> "Batches":
        return self

    def __next__(self):
        """The next batch.

        Raises:
          StoppedWaitingError: `should_stop` said so before the batch came.
          BadFileError: see `pipeline.train_batches`.
          WorkersLostError: workers were killed again after RESTARTS restarts.
        """
        for left in range(RESTARTS, -1, -1):
            try:
                batch = self._wait_for_batch()
            except OSError as error:
                sentence = worker_room.describe_shortage(error)
                if sentence is None or not self._num_workers:
                    raise
                raise WorkersLostError(sentence) from error
            except RuntimeError as error:
                if _GONE not in str(error):
                    raise
                lost = error
            else:
                self._step += 1
                return batch
            self._iterator.close()
            if left:
                _LOGGER.warning(
                    "A data worker was killed before step %d; all are started "
                    "again there, and no image is lost.",
                    self._step,
                )
                self._iterator = self._start()
        raise WorkersLostError(
            f"A data worker was killed before step {self._step}, and again "
            f"after {RESTARTS} restarts ({_exit_code(lost)}). Most often the "
            f"machine is short of memory, or of {worker_room.SHARED} "
            f"({worker_room.shared_size()}): {worker_room.FEWER}. The same "
            "command continues the run."
        ) from lost

    def _wait_for_batch(self):
        """Takes the iterator's next batch; notices signals and hangs
        meanwhile."""
        future = self._waiter.submit(next, self._iterator)
        what = f"the batch of step {self._step}"
        try:
            wait_for_data([future], self._should_stop, what)
        except StoppedWaitingError:
            # A worker that hangs would keep `close` waiting.
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        return future.result()

    def close(self) -> None:
        """Stops what reads ahead."""
        self._waiter.shutdown(wait=False)
        self._iterator.close()

    def _start(self) -> grain.DatasetIterator:
        # Threads that read ahead in this process, or in each worker.
        threads = 4 if self._num_workers == 0 else 1
        ahead = grain.ReadOptions(
            num_threads=threads, prefetch_buffer_size=threads
        )
        dataset = self._batches[self._step :].to_iter_dataset(ahead)
        if self._num_workers:
            dataset = dataset.mp_prefetch(
                grain.MultiprocessingOptions(
                    num_workers=self._num_workers,
                    per_worker_buffer_size=worker_room.AHEAD,
                ),
                worker_init_fn=_begin_worker,
            )
        return iter(dataset)


def _exit_code(lost: RuntimeError) -> str:
    """The part of grain's message that reads `exit code -9`."""
    _, _, rest = str(lost).partition("with ")
    return rest.partition(".")[0] or "no exit code"


def _block_ctrl_c() -> None:
    """Leaves Ctrl-C to the run's main thread.

    Workers are started by this thread and inherit that from their first
    instruction on, before `_begin_worker`.
    """
    # It would unblock Ctrl-C again when the first worker starts it.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _begin_worker(index: int, count: int) -> None:
    """Ignores Ctrl-C, which the run handles, and ends if the run dies."""
    del index, count
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # A worker is never the first process.
    parent.join()
    # A run that was killed cannot stop its workers; they would wait for ever.
    os._exit(1)
