"""The command line of predict: what it refuses before any work."""

import sys

import pytest

from ipixmatch_jax.predict import __main__ as predict_command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images=a"], "--images needs --out"),
        (["--export=a", "--out=b"], "--out goes with --images"),
        (["--export=a", "--flip"], "--flip goes with --images"),
        (["--images=a", "--out=b", "--export-size=64"], "goes with --export"),
        (
            ["--images=a", "--out=b", "--scales=1,9"],
            "1,9: give factors from 0.1 to 4",
        ),
        (["--images=a", "--out=b", "--scales=x"], "is not a list of numbers"),
        (["--images=a", "--out=b", "--window=5"], "5 is below 33 pixels"),
        (
            ["--images=a", "--out=b", "--window=x"],
            "'x' is not a whole number of pixels",
        ),
        (["--images=a", "--export=b"], "not allowed with"),
        ([], "one of the arguments --images --export is required"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        predict_command._arguments(["--workdir=w", *words])
    assert message in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys, monkeypatch):
    words = ["predict", f"--workdir={tmp_path}", "--images=a", "--out=b"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        predict_command.run()
    assert "is not the --workdir of a run" in capsys.readouterr().err
