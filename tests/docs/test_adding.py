"""Follows docs/adding.md in a copy of the checkout."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.docs import photos

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/adding.md").read_text("utf-8")
SECTIONS = {
    title: body
    for title, body in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE
    )
}
# The file named at the start of a paragraph, and the code block after it.
PIECE = re.compile(
    r"^(?:`(?P<file>[\w/]+\.py)`[:,].*?\n\n)?"
    r"^```(?P<kind>python|diff|bash)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def pieces(section):
    """(kind, file, code) of each block; without a file, the last one named."""
    file = None
    for found in PIECE.finditer(SECTIONS[section]):
        file = found["file"] or file
        yield found["kind"], file, found["code"]


def change(path, diff):
    """Applies the lines of a diff, which must fit at exactly one place."""
    lines = diff.splitlines()
    old = "\n".join(line[1:] for line in lines if line[0] in " -")
    new = "\n".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text("utf-8")
    assert text.count(old + "\n") == 1, f"{path} has not once:\n{old}"
    path.write_text(text.replace(old + "\n", new + "\n"), "utf-8")


@pytest.fixture
def copy(tmp_path):
    """A copy of the package and the configs, and an archive of a data set."""
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("ipixmatch_jax", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=leave)
    scenes = [photos.photograph(i) for i in range(20)]
    (tmp_path / "archive").mkdir()
    np.savez(
        tmp_path / "archive/scans.npz",
        images=np.stack([np.asarray(image) for image, _ in scenes]),
        masks=np.stack([np.asarray(ids) % 2 for _, ids in scenes]),
        labelled=10,
    )
    return tmp_path


def test_the_page_has_three_parts():
    assert list(SECTIONS) == ["A method", "A data set", "A backbone"]


@pytest.mark.parametrize("section", SECTIONS)
def test_it_is_less_than_60_lines(section):
    lines = 0
    for kind, _, code in pieces(section):
        if kind == "python":
            lines += len(code.splitlines())
        if kind == "diff":
            lines += sum(line[0] == "+" for line in code.splitlines())
    assert 0 < lines < 60


@pytest.mark.parametrize("section", SECTIONS)
def test_the_added_members_train(section, copy):
    for kind, file, code in pieces(section):
        if kind == "python":
            assert not (copy / file).exists()
            (copy / file).write_text(code, "utf-8")
        elif kind == "diff":
            change(copy / file, code)
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": ""}
    # For two steps, compiling without optimisation is quicker overall.
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    for kind, _, code in pieces(section):
        for line in code.splitlines() if kind == "bash" else ():
            _, *words = line.split()
            subprocess.run(
                [sys.executable, *words],
                cwd=copy,
                env=environment,
                check=True,
                timeout=500,
            )
    (results,) = copy.glob("runs/*/results.json")
    assert '"step": 2' in results.read_text()
