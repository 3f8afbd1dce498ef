"""Every launcher parses, and shellcheck finds nothing if it is installed."""

import shutil
import subprocess

import pytest

from tests.launch.launch_host import LAUNCH

SCRIPTS = sorted(LAUNCH.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_bash_parses_the_script(script):
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_shellcheck_finds_nothing():
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    result = subprocess.run(
        [shellcheck, "-x", *map(str, SCRIPTS)],
        cwd=LAUNCH.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", ["local", "slurm", "tpu", "kubernetes"])
def test_the_help_is_the_comment_at_the_top(host, name):
    code, out, _ = host.run(f"{name}.sh", "--help")
    assert code == 0
    assert f"launch/{name}.sh [--print]" in out
    assert "set -euo" not in out
