"""How often Python looks for garbage in cycles."""

import atexit
import gc

# See gc.set_threshold.
_THRESHOLDS = 100_000, 50, 100


def collect_garbage_seldom() -> None:
    """Makes Python's collector walk the objects less often.

    Imports and tracing make many objects that stay, and Python walks them
    again and again. With these thresholds a short run takes half a second
    less. Objects outside cycles are freed at once, as before.

    When a process ends, Python walks all objects once more. It skips frozen
    ones, and a run ends a third of a second sooner.
    """
    gc.set_threshold(*_THRESHOLDS)
    atexit.register(gc.freeze)
