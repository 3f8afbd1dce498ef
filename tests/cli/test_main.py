"""The command line in a process of its own: what is wrong, in one line."""

import subprocess
import sys

import pytest


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ipixmatch_jax.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "configs/voc.py:r101_1_9"], "the splits are 92 183"),
        (["--config", "configs/nope.py"], "configs/nope.py"),
        (["--config=configs/shapes.py", "--config.train.stepps=3"], "stepps"),
        (["--config=configs/shapes.py", "--config.train.steps=a"], "int()"),
        (
            [
                "--config=configs/camvid.py",
                "--config.data.root=no",
                "--config.mesh.data=1",
            ],
            "at no:",
        ),
        ([], "--config must have a value"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, words):
    result = run(*arguments)
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("ipixmatch_jax: ")
    assert words in line
