"""Runs the commands of a page as a reader would type them."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

from tests import fork_server, xla_flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What a settings file of a page says, and the fewer steps of the tests.
SHORTER = {
    "c.train.steps = 40": "c.train.steps = 8",
    "c.train.eval_every = 20": "c.train.eval_every = 4",
    "c.train.log_every = 10": "c.train.log_every = 2",
}


def read_blocks(page):
    """The blocks of a page that are marked as bash."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def shorten(settings):
    """The block that writes a settings file, with a shorter training."""
    for old, new in SHORTER.items():
        assert old in settings, old
        settings = settings.replace(old, new)
    return settings


def run_blocks(blocks, work, programs):
    """Runs them in `work`; `work/said` gets what each printed.

    Args:
      blocks: of `read_blocks`.
      work: the working folder.
      programs: an empty folder, which gets the program `ipixmatch`.
    """
    script = programs / "ipixmatch"
    run = "from ipixmatch_jax.command import main; main()"
    script.write_text(
        f'#!/bin/sh\nexec {shlex.join(fork_server.python())} -c "{run}" "$@"\n'
    )
    script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(
            [str(programs), os.path.dirname(sys.executable), os.environ["PATH"]]
        ),
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": xla_flags.QUICK,
    }
    (work / "said").mkdir()
    for i, block in enumerate(blocks):
        done = subprocess.run(
            ["bash", "-e", "-c", block],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        name = block.split()[1] if block.startswith("ipixmatch") else "other"
        (work / f"said/{i}_{name}").write_text(done.stdout + done.stderr)
