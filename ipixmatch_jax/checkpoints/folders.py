"""The folders of checkpoints: whole, unfinished, or broken."""

import json
import logging
import os
import pathlib
import re
import shutil

from ipixmatch_jax.checkpoints import checksums

_LOGGER = logging.getLogger(__name__)
# In a workdir; it holds a folder for each step, named by its number.
FOLDER = "checkpoints"
_STEP = re.compile("0|[1-9][0-9]*")
# Where orbax puts what `Checkpoints.save` calls meta.
_META = "meta/metadata"


def newest_step(workdir: pathlib.Path) -> int:
    """The step of the newest checkpoint in a workdir, unchecked; 0: none."""
    return max(_steps(workdir / FOLDER), default=0)


def _steps(directory: pathlib.Path) -> list[int]:
    """The steps that have a checkpoint folder, oldest first."""
    names = (path.name for path in directory.glob("*") if path.is_dir())
    return sorted(int(name) for name in names if _STEP.fullmatch(name))


def remove_partial(directory: pathlib.Path) -> None:
    """Removes what was being written when a run ended."""
    for path in directory.glob("*.orbax-checkpoint-tmp"):
        # A thread of a save that was given up may still write into it; what
        # it leaves is removed the next time.
        shutil.rmtree(path, ignore_errors=True)


def put_broken_aside(directory: pathlib.Path) -> bool:
    """Names what is broken, and renames it if anything else is whole.

    Args:
      directory: with a folder for each step; it need not be there.

    Returns:
      whether the whole ones, if there are any, are all that is left.
    """
    steps = _steps(directory)
    faults = {step: fault(directory / str(step)) for step in steps}
    whole = [step for step in steps if faults[step] is None]
    broken = [step for step in steps if faults[step] is not None]
    for step in broken:
        path, outcome = directory / str(step), ""
        if whole:
            aside = _aside(path)
            path.rename(aside)
            outcome = (
                f" It is now {aside.name}, which can be removed; the newest "
                f"whole one is of step {whole[-1]}."
            )
        _LOGGER.warning(
            "The checkpoint %s is broken: %s.%s", path, faults[step], outcome
        )
    return bool(whole) or not broken


def _aside(path: pathlib.Path) -> pathlib.Path:
    """A name that is not taken and that is no step's."""
    name, number = path.with_name(f"{path.name}.broken"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.broken{number}")
    return name


def fault(folder: pathlib.Path, under: str = "") -> str | None:
    """What is wrong with a checkpoint, in words; None if nothing is known.

    Args:
      folder: of one step.
      under: look at the files in this folder of it alone.
    """
    if (folder / checksums.FILE).exists():
        return checksums.fault(folder, under)
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return f"{checksums.FILE} and {_META} are missing or not JSON"
    if "checksums" in meta:
        # As where a run was killed while it removed an old checkpoint.
        return f"{checksums.FILE} is missing"
    _LOGGER.warning(
        "%s has no checksums, being of an older version: it is used unchecked.",
        folder,
    )
    return None


def refusal(error: OSError | ValueError) -> str | None:
    """Why the disk refused to write; None if it was something else."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # tensorstore's errors are ValueErrors, with the number in the text.
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(found[1])) if found else None
