"""The folders of checkpoints: whole, unfinished or broken."""

import logging
import pathlib
import re
import shutil
from typing import Any

from ipixmatch_jax.checkpoints import checksums
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.json_files import read_json_object

_LOGGER = logging.getLogger(__name__)
# In a workdir; it holds a folder for each step, named by its number.
FOLDER = "checkpoints"
_STEP = re.compile("0|[1-9][0-9]*")
# Where orbax puts what `Checkpoints.save` calls meta.
_META = "meta/metadata"


def check_name(workdir: pathlib.Path) -> None:
    """Raises ValueError for a path in which checkpoints cannot be written."""
    path = str(workdir.absolute())
    if printable(path) != path:  # tensorstore takes no other
        raise ValueError(
            f"The path {printable(path)} is not UTF-8, and checkpoints cannot "
            "be kept below such a name: rename it, or choose another --workdir."
        )


def newest_step(workdir: pathlib.Path) -> int:
    """The step of the newest checkpoint in a workdir, unchecked; 0: none."""
    directory = workdir / FOLDER
    steps = (s for s in list_steps(directory) if (directory / str(s)).is_dir())
    return max(steps, default=0)


def newest_config(workdir: pathlib.Path) -> dict[str, Any] | None:
    """The config that the newest checkpoint in a workdir holds, if any."""
    for step in reversed(list_steps(workdir / FOLDER)):
        try:
            path = workdir / FOLDER / str(step) / _META
            config = read_json_object(path, "put back a copy").get("config")
        except (OSError, ValueError):
            continue  # A broken one; opening the checkpoints names it.
        if isinstance(config, dict):
            return config
    return None


def list_steps(directory: pathlib.Path) -> list[int]:
    """The steps by the names of the checkpoints, unchecked, oldest first."""
    names = (path.name for path in directory.glob("*"))
    return sorted(int(name) for name in names if _STEP.fullmatch(name))


def list_oddly_named(directory: pathlib.Path) -> list[str]:
    """Names that look like a step's and are not, such as 06."""
    names = [path.name for path in _list_numbered(directory)]
    return [name for name in names if not _STEP.fullmatch(name)]


def remove_unfinished(directory: pathlib.Path) -> None:
    """Removes what was being written when a run ended."""
    for path in directory.glob("*.orbax-checkpoint-tmp"):
        # A thread of a save that was given up may still write into it; what
        # it leaves is removed the next time.
        shutil.rmtree(path, ignore_errors=True)


def set_broken_aside(directory: pathlib.Path) -> bool:
    """Names what is broken, and renames it if a checkpoint is whole.

    Args:
      directory: with a folder for each step; it need not exist.

    Returns:
      whether nothing broken is left beside the whole checkpoints.
    """
    faults = {path: find_fault(path) for path in _list_numbered(directory)}
    whole = [int(path.name) for path, fault in faults.items() if fault is None]
    broken = {p: fault for p, fault in faults.items() if fault is not None}
    for path, fault in broken.items():
        outcome = ""
        if whole:
            aside = _free_name(path)
            path.rename(aside)
            outcome = (
                f" It is now {aside.name}, which can be removed; the newest "
                f"whole checkpoint is that of step {max(whole)}."
            )
        _LOGGER.warning(
            "The checkpoint %s is broken: %s.%s", path, fault, outcome
        )
    return bool(whole) or not broken


def _list_numbered(directory: pathlib.Path) -> list[pathlib.Path]:
    """What orbax would take for a checkpoint, oldest first."""
    paths = [p for p in directory.glob("*") if p.name.isdigit()]
    return sorted(paths, key=lambda path: (len(path.name), path.name))


def _free_name(path: pathlib.Path) -> pathlib.Path:
    """The name of a broken checkpoint, which orbax does not read."""
    name, number = path.with_name(f"{path.name}.broken"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.broken{number}")
    return name


def find_fault(folder: pathlib.Path, inside: str = "") -> str | None:
    """What is wrong with a checkpoint, in words; None if nothing is known.

    Args:
      folder: of one step.
      inside: compare only the files in this sub-folder.
    """
    if not _STEP.fullmatch(folder.name):
        return "its name is not the number of a step"
    if not folder.is_dir():
        return "it is not a folder"
    if (folder / checksums.FILE).exists():
        return checksums.find_fault(folder, inside)
    try:
        meta = read_json_object(folder / _META, "put back a copy")
    except PermissionError:
        raise
    except (OSError, ValueError):
        return f"{checksums.FILE} and {_META} are missing or not JSON"
    if "checksums" in meta:
        # As where a run was killed while it removed an old checkpoint.
        return f"{checksums.FILE} is missing"
    _LOGGER.warning(
        "An older version wrote %s without checksums: it is used unchecked.",
        folder,
    )
    return None
