"""How often Python looks for garbage in cycles."""

import gc

# Of objects made since the last time, and of times before the older ones, too.
_THRESHOLDS = 100_000, 50, 100


def collect_garbage_seldom() -> None:
    """Makes Python's collector walk the objects less often.

    Tracing a training step makes some million objects that stay, and Python
    would walk all of them every 700. Without that, a run starts half a second
    sooner. What is in no cycle is freed at once, as ever.
    """
    gc.set_threshold(*_THRESHOLDS)
