"""Runs a command with bad input and returns its error message."""

import subprocess
import sys


def refusal(module, *words):
    """The one-line error of `python -m ipixmatch_jax.<module>`."""
    result = subprocess.run(
        [sys.executable, "-m", f"ipixmatch_jax.{module}", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("ipixmatch_jax: ")
    return line
