"""Runs docs/try.md as written: the page as a process, and a video."""

import os
import re
import shlex
import signal
import subprocess
import urllib.request

import pytest

from tests import fork_server, untrained_run, xla_flags
from tests.docs import page_commands
from tests.predict import clips

pytestmark = pytest.mark.slow

PAGE, VIDEO = page_commands.read_blocks("try.md")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a run."""
    work = tmp_path_factory.mktemp("work")
    untrained_run.write_run(work / "runs/mine", "tiny")
    return work


def test_the_page_opens_and_ends(work):
    name, *words = shlex.split(PAGE)
    assert name == "ipixmatch"
    code = "from ipixmatch_jax.command import main; main()"
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")  # It would open a browser.
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {
        "PYTHONPATH": str(page_commands.ROOT),
        "XLA_FLAGS": xla_flags.QUICK,
    }
    with subprocess.Popen(
        [*fork_server.python(), "-c", code, *words],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said = process.stdout.readline()
            found = re.match(r"http://127\.0\.0\.1:\d+/", said)
            assert found, process.communicate(timeout=60)
            address = found[0]
            with urllib.request.urlopen(address, timeout=60) as answer:
                page = answer.read().decode()
            assert "<h1>mine</h1>" in page
            assert "The teacher after 3 steps, 6 classes." in page
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")


def test_a_video(work, tmp_path):
    pytest.importorskip("av")
    clips.write_clip(work / "clip.mp4", range(5))
    page_commands.run_blocks([VIDEO], work, tmp_path)
    (said,) = (work / "said").iterdir()
    assert "predicted: 1 file predicted, 0 already there" in said.read_text()
    written = clips.read_clip(work / "predicted/overlays/clip.mp4")
    assert written.pictures.shape == (5, 64, 96, 3)
