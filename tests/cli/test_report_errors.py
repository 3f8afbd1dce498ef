"""Every command ends an expected error with one sentence."""

import ast
import importlib.util
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest
from absl import app

from ipixmatch_jax import main
from ipixmatch_jax.cli.commands import COMMANDS
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.sweep import __main__ as sweep
from ipixmatch_jax.utils import accelerators
from ipixmatch_jax.utils.errors import RunError

MODULE = "ipixmatch_jax.predict"


def ended(monkeypatch, capsys, error, *words, name="predict"):
    """(exit code, stderr) of a command that raises."""
    monkeypatch.setattr(sys, "argv", [name, *words])
    with pytest.raises(SystemExit) as end, report_errors(MODULE):
        raise error
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            ValueError("a.json is odd."),
            1,
            "a.json is odd. (--debug shows where",
        ),
        (RunError("No more workers."), 1, "No more workers."),
        (PermissionError(13, "Permission denied", "x/y"), 1, "x/y: Permission"),
        (zipfile.BadZipFile("no zip"), 1, "An archive is damaged: no zip"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C."),
        (ValueError("two\nlines"), 1, "two lines"),
        (
            RuntimeError("Unable to initialize backend 'cuda': none is known"),
            1,
            "JAX_PLATFORMS=cuda asks for a platform that jax cannot start",
        ),
    ],
)
def test_an_expected_error_is_one_line(monkeypatch, capsys, error, code, words):
    monkeypatch.setattr(accelerators, "check_platforms", lambda: None)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    got, said = ended(monkeypatch, capsys, error)
    assert got == code
    (line,) = said.splitlines()
    assert line.startswith(f"python -m {MODULE}: {words}")


def test_the_command_by_name_speaks_as_itself(monkeypatch, capsys):
    error = RunError("Over.")
    _, said = ended(monkeypatch, capsys, error, name="ipixmatch predict")
    assert said == "ipixmatch predict: Over.\n"


@pytest.mark.parametrize("command", [main, sweep])
def test_ctrl_c_before_the_training_is_one_line(monkeypatch, capsys, command):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    # As while the command line is parsed and the libraries are imported.
    monkeypatch.setattr(app, "run", interrupted)
    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit) as end:
        command.run()
    assert end.value.code == 130
    assert capsys.readouterr().err.endswith(": stopped by Ctrl-C.\n")


def test_an_odd_name_in_an_error_is_escaped(monkeypatch, capsys):
    name = os.fsdecode(b"Stra\xdfe")
    _, said = ended(monkeypatch, capsys, FileNotFoundError(2, "Gone", name))
    assert said.endswith(": Stra\\xdfe: Gone.\n")


def test_a_bug_and_debug_keep_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["predict"])
    with pytest.raises(ZeroDivisionError), report_errors(MODULE):
        raise ZeroDivisionError
    monkeypatch.setattr(sys, "argv", ["predict", "--debug", "more"])
    with pytest.raises(ValueError, match="odd"), report_errors(MODULE):
        raise ValueError("odd")
    assert sys.argv == ["predict", "more"]


def test_a_reader_that_has_gone_ends_it_quietly():
    code = (
        "from ipixmatch_jax.cli.report_errors import report_errors\n"
        f"with report_errors({MODULE!r}):\n"
        "    print('x' * 1_000_000, flush=True)\n"
    )
    command = f'{sys.executable} -c "$CODE" | head -c 1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={"CODE": code, "PATH": "/usr/bin:/bin"},
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (141, "x", "")


@pytest.mark.parametrize(
    "module", sorted({c.module for c in COMMANDS.values()})
)
def test_every_command_uses_it(module):
    spec = importlib.util.find_spec(module)
    if spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{module}.__main__")
    text = pathlib.Path(spec.origin).read_text("utf-8")
    used = [
        ast.unparse(decorator)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    ]
    own = f"report_errors('{module}')"
    assert own in used or "report_errors(_MODULE)" in used
    assert "except (ValueError" not in text
