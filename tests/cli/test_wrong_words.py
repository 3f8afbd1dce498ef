"""Wrong words on a command line are answered with the nearest right one."""

import sys

import pytest

from ipixmatch_jax import compare
from ipixmatch_jax.cli import arguments, commands, config_flag


def refused(capsys, call, *words):
    """The one line with which a call ends, and its exit code."""
    with pytest.raises(SystemExit) as end:
        call(*words)
    (line,) = capsys.readouterr().err.splitlines()
    return line, end.value.code


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--data.root=photos", "--config.data.root"),
        ("--workdr=runs/x", "--workdir"),
        ("--train.stepps=3", "--config.train.steps"),
    ],
)
def test_an_unknown_flag(capsys, word, nearest):
    words = ["train", "--config=shapes.py", word]
    line, code = refused(capsys, config_flag.parse, words)
    assert code == 2
    name = word.partition("=")[0]
    assert f"There is no flag {name}. Did you mean {nearest}?" in line


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (
            ["trian"],
            "splits, convert, export, push, pull, fields. Did you mean train?",
        ),
        (["zzz"], "splits, convert, export, push, pull, fields."),
        (["--debug", "train"], "name, as in `ipixmatch train --debug`."),
        (["--debug"], "name, as in `ipixmatch COMMAND --debug`."),
    ],
)
def test_an_unknown_command(capsys, monkeypatch, words, end):
    monkeypatch.setattr(sys, "argv", ["ipixmatch", *words])
    line, code = refused(capsys, commands.main)
    assert code == 2
    assert line.endswith(end)


def test_an_absent_option_is_one_line_without_the_usage(capsys):
    parser = arguments.parser("ipixmatch_jax.predict")
    parser.add_argument("--workdir", required=True)
    line, code = refused(capsys, parser.parse_args, [])
    assert code == 2
    assert line == (
        "python -m ipixmatch_jax.predict: the following arguments are "
        "required: --workdir; --help shows all options."
    )


def test_compare_names_a_folder_without_a_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "nein")])
    line, code = refused(capsys, compare.main)
    assert code == 1
    assert "nein is not the --workdir of a run" in line
