"""Each mistake on the command line is answered in one line."""

import subprocess

import pytest

from tests import fork_server

pytestmark = pytest.mark.slow


def run(*arguments):
    return subprocess.run(
        [*fork_server.python(), "-m", "ipixmatch_jax.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--config", "configs/voc.py:r101_1_9"], 1, "the splits are 92 183"),
        (["--config", "configs/nope.py"], 1, "configs/nope.py"),
        (
            ["--config=configs/shapes.py", "--config.train.stepps=3"],
            2,
            "Did you mean config.train.steps?",
        ),
        (
            ["--config=configs/shapes.py", "--config.train.steps", "a"],
            2,
            "config.train.steps takes a whole number (int), such as 10000.",
        ),
        (["--config=configs/shapes.py", "--config.train=3"], 2, "a section"),
        (["--config=configs/shapes.py", "--config.seed"], 2, "needs a value"),
        (
            ["--config=configs/shapes.py", "--data.root=photos"],
            2,
            "There is no flag --data.root. Did you mean --config.data.root?",
        ),
        (["--config=configs/shapes.py", "word"], 2, "not understood: word"),
        (
            [
                "--config=configs/camvid.py",
                "--config.data.root=no",
                "--config.mesh.data=1",
            ],
            1,
            "There is no folder no: clone",
        ),
        (
            [],
            2,
            "--config must be given, such as `python -m ipixmatch_jax.main",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, code, words):
    result = run(*arguments)
    assert result.returncode == code
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("python -m ipixmatch_jax.main: ")
    assert words in line
