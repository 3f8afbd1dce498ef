"""Values of files in messages, at a length that can be read."""

from typing import Any

_LONGEST = 200  # Characters.


def quote(value: Any) -> str:
    """The repr of a value, cut where it is long."""
    return shorten(repr(value))


def shorten(text: Any) -> str:
    """A text or the words of an error, cut where they are long."""
    text = str(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
