"""A file that is not the JSON it should be is named in one sentence."""

import ast
import pathlib

import pytest

import ipixmatch_jax
from ipixmatch_jax.utils.json_files import read_json, read_json_object

TORN = {
    "empty": b"",
    "cut off": b'{"a": [1, 2',
    "latin-1": b'{"a": "Stra\xdfe"}',
    "nested": b"[" * 100_000,
    "a word": b"<html>",
}


@pytest.mark.parametrize("content", TORN.values(), ids=TORN)
def test_a_torn_file_is_one_sentence_with_the_way_out(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    for read in (read_json, read_json_object):
        with pytest.raises(ValueError, match="remove it") as error:
            read(path, "remove it")
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_value_of_another_kind_is_one_sentence(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1]")
    assert read_json(path, "") == [1]
    with pytest.raises(ValueError, match=r"a\.json does not hold a JSON obj"):
        read_json_object(path, "remove it")


def test_every_json_file_is_read_here():
    """json.loads of a file's text would name no file."""
    root = pathlib.Path(ipixmatch_jax.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                *("json.load", "json.loads"),
            ):
                found.add(path.relative_to(root).as_posix())
    assert found == {
        "utils/json_files.py",
        "data/prepare/label_tools/export_files.py",  # in an archive, too
        "data/files/class_rows.py",  # keeps names that are given twice
        "report/metrics_log.py",  # line by line
        "sweep/grid.py",  # copies a config
        "predict/exported_run.py",  # runs without the package
    }
