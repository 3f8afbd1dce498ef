"""A small disk that a test can fill."""

import contextlib
import pathlib
import shutil
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, megabytes: int = 64, options: str = ""):
    """Mounts a tmpfs at a new folder; skips the test if that is not allowed."""
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    folder.mkdir()
    chosen = ",".join(filter(None, [f"size={megabytes}m", options]))
    mount = ["mount", "-t", "tmpfs", "-o", chosen, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
