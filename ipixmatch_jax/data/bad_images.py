"""Images that training skipped because their files cannot be used."""

import logging

import numpy as np

from ipixmatch_jax.data.source import BadFileError, Source

_LOGGER = logging.getLogger(__name__)


class Skipped:
    """Counts the images that batches skipped, and names each of them once."""

    def __init__(self, **sources: Source | None):
        """Takes the sources under the names that they have in a batch."""
        self._sources = {k: s for k, s in sources.items() if s is not None}
        self._named: set[tuple[str, int]] = set()
        self._count = 0

    def count_batch(self, bad: dict[str, np.ndarray]) -> None:
        """Counts the entry "bad" of one batch of data/pipeline.py."""
        for name, positions in bad.items():
            for index in positions[positions >= 0].tolist():
                self._count += 1
                if (name, index) not in self._named:
                    self._named.add((name, index))
                    self._warn(name, index)

    def take_count(self) -> int:
        """Counts this process's skipped images since the last call."""
        count, self._count = self._count, 0
        return count

    def _warn(self, name: str, index: int) -> None:
        # Read again here: what a data worker logs is not shown.
        source = self._sources[name]
        reason = f"{source.name(index)} could not be used, but now can be."
        try:
            source[index]
        except BadFileError as error:
            reason = str(error)
        _LOGGER.warning("Skipped from now on, %s: %s", name, reason)
