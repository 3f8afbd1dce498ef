"""Runs a command with bad input and returns its error message."""

import subprocess

from tests import fork_server


def refusal(module, *words, code=1):
    """The one line of `python -m ipixmatch_jax.<module>`, which fails."""
    result = subprocess.run(
        [*fork_server.python(), "-m", f"ipixmatch_jax.{module}", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == code
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"python -m ipixmatch_jax.{module}: ")
    return line
