"""Collects the `--help` text of every command in few processes."""

import json
import os
import pathlib
import subprocess
import sys

from ipixmatch_jax.cli.arguments import COMMANDS

# Commands that define the same absl flags need separate processes.
_GROUPS = (["train"], [name for name in COMMANDS if name != "train"])
_CODE = """
import contextlib, io, json, sys
from ipixmatch_jax.command import main
said = {}
for name in sys.argv[1:]:
    sys.argv = ["ipixmatch", name, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            said[name] = end.code, out.getvalue()
print(json.dumps(said))
"""


def ask(packages: pathlib.Path, folder: pathlib.Path) -> dict[str, list]:
    """Returns {name: [exit code, text]} for the package in `packages`."""
    said = {}
    for names in _GROUPS:
        done = subprocess.run(
            [sys.executable, "-c", _CODE, *names],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said |= json.loads(done.stdout)
    return said
