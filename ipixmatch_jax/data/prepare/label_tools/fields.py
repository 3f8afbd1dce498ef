"""Takes fields out of JSON and XML, and says which file lacks one."""

import math
from collections.abc import Mapping
from typing import Any

from ipixmatch_jax.utils.quoting import quote


def take(record: Any, field: str, kind: type | tuple, where: str) -> Any:
    """A field of a type.

    Args:
      record: an object of a JSON file.
      field: the name of the field.
      kind: its type or types.
      where: names the record, for the message.

    Raises:
      ValueError: the record has no such field, or of another type.
    """
    value = record.get(field) if isinstance(record, Mapping) else None
    # A bool is an int in Python, and never meant by one.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(
            f"{where} has no {field!r} as the label tool writes it: export it "
            "again."
        )
    return value


def whole_number(text: Any, where: str) -> int:
    """A whole number that is given as text or as a number.

    Raises:
      ValueError: it is not one.
    """
    value = number(text, where)
    if value != int(value):
        raise ValueError(f"{where} is {quote(text)}, not a whole number.")
    return int(value)


def number(text: Any, where: str) -> float:
    """A finite number that is given as text or as a number.

    Raises:
      ValueError: it is not one.
    """
    try:
        # float() takes JSON's true and false too, which are not numbers,
        # and its whole numbers can be too large for a float.
        value = math.nan if isinstance(text, bool) else float(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} is {quote(text)}, not a number.") from error
    if not math.isfinite(value):
        raise ValueError(f"{where} is {quote(text)}, not a number.")
    return value


def points(pairs: Any, where: str) -> list[tuple[float, float]]:
    """Pairs of numbers.

    Raises:
      ValueError: they are not.
    """
    if not isinstance(pairs, list):
        raise ValueError(f"{where} has no list of points.")
    found = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                f"{where}: the point {quote(pair)} is not x and y."
            )
        x, y = (number(c, f"{where}: a coordinate") for c in pair)
        found.append((x, y))
    return found
