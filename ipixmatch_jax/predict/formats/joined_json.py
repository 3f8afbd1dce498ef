"""One JSON file per image, which together make a file for all images."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

from ipixmatch_jax.utils.atomic import write_file
from ipixmatch_jax.utils.file_names import name_bytes
from ipixmatch_jax.utils.json_files import read_json_object


def write_compact(path: pathlib.Path, value: Any) -> None:
    """Replaces a file by JSON on one line, making its folders."""
    write_file(path, json.dumps(value, separators=(",", ":")).encode())


def read_all(folder: pathlib.Path) -> Iterator[dict[str, Any]]:
    """The objects in all JSON files below a folder, in the order of names.

    Raises:
      ValueError: a file is torn; one sentence that names it.
    """
    files = folder.rglob("*.json")
    for path in sorted(files, key=lambda path: name_bytes(str(path))):
        yield read_json_object(path, "delete it and repeat the command")
