"""Sentences name a command as the person called it."""

import ast
import pathlib

import pytest

import ipixmatch_jax
from ipixmatch_jax.data.files.split_list import read_list

ROOT = pathlib.Path(ipixmatch_jax.__file__).parent
# What the commands are called is decided here; the help names both ways; the
# header of a generated file says how it is made again.
ALLOWED = {
    "cli/commands.py",
    "cli/config_flag.py",
    "configuration/reference.py",
}


def words(tree):
    """The strings of a module that are not docstrings."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in docstrings:
            yield text


def test_no_sentence_spells_a_command_out():
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).as_posix() not in ALLOWED
        for text in words(ast.parse(path.read_text("utf-8")))
        if "python -m" in text
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ipixmatch train", "`ipixmatch splits download`"),
        ("main.py", "`python -m ipixmatch_jax.data.splits download`"),
    ],
)
def test_the_way_out_is_named_as_the_command_was_called(
    name, said, monkeypatch, tmp_path
):
    monkeypatch.setattr("sys.argv", [name])
    with pytest.raises(FileNotFoundError) as error:
        read_list(tmp_path / "gone.txt")
    assert said in str(error.value)
