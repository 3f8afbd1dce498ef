"""The base of the errors that a person can act on."""


class RunError(RuntimeError):
    """A run cannot go on; the message says why, and the way out."""
