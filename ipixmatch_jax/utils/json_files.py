"""JSON files that may be torn, or hold something else than they should."""

import json
import pathlib
from typing import Any


def read_json(path: pathlib.Path, way_out: str) -> Any:
    """The value in a JSON file.

    Args:
      path: of the file.
      way_out: what to do about a file that is torn, for the message.

    Raises:
      OSError: the file is absent or cannot be read.
      ValueError: it is not JSON; one sentence that names the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(
            f"{path} is nested too deeply to be read: {way_out}."
        ) from error
    except ValueError as error:  # of bytes that are not UTF-8 too
        raise ValueError(
            f"{path} is not whole ({error}): {way_out}."
        ) from error


def read_json_object(path: pathlib.Path, way_out: str) -> dict[str, Any]:
    """The fields of a JSON file that holds an object; see `read_json`."""
    value = read_json(path, way_out)
    if not isinstance(value, dict):
        raise ValueError(f"{path} does not hold a JSON object: {way_out}.")
    return value
