"""Follows docs/adding.md, in a copy of the checkout and outside of it."""

import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

from tests import fork_server, xla_flags
from tests.docs import photos

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/adding.md").read_text("utf-8")
SECTIONS = {
    title: body
    for title, body in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE
    )
}
OUTSIDE = "From outside the package"
INSIDE = [title for title in SECTIONS if title != OUTSIDE]
# The file named at the start of a paragraph, and the code block after it.
PIECE = re.compile(
    r"^(?:`(?P<file>[\w/]+\.py)`[:,].*?\n\n)?"
    r"^```(?P<kind>python|diff|bash)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)

# With the page's own backbone and head a run takes half the time.
QUICKER = {
    "shapes.py:tiny_1_16": "shapes.py:plain_1_16",
    "scans.py:tiny": "scans.py:plain",
}


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


def write_archive(folder):
    """The archive of the data set that the page adds."""
    scenes = [photos.photograph(i) for i in range(20)]
    (folder / "archive").mkdir()
    np.savez(
        folder / "archive/scans.npz",
        images=np.stack([np.asarray(image) for image, _ in scenes]),
        masks=np.stack([np.asarray(ids) % 2 for _, ids in scenes]),
        labelled=10,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and its configs with everything that the page adds."""
    folder = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("ipixmatch_jax", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    write_archive(folder)
    for section in INSIDE:
        for kind, file, code in pieces(section):
            if kind == "python":
                assert not (folder / file).exists()
                (folder / file).write_text(code, "utf-8")
            elif kind == "diff":
                change(folder / file, code)
    return folder


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder with the page's files and nothing of the package."""
    folder = tmp_path_factory.mktemp("outside")
    write_archive(folder)
    for section in SECTIONS:
        for kind, file, code in pieces(section):
            if kind == "python":
                name = pathlib.Path(file).name
                if file.startswith("configs/"):
                    name = name.replace(".py", "_config.py")
                (folder / name).write_text(code, "utf-8")
    return folder


def with_quick_network(line):
    """A command of the page; `tiny` is replaced where it trains that."""
    for slow, quick in QUICKER.items():
        if slow in line:
            line = line.replace(slow, quick) + " --config.model.head=fcn"
    return line


def run_commands(section, folder, path=""):
    changed = {"XLA_FLAGS": xla_flags.QUICK, "PYTHONPATH": path}
    for kind, _, code in pieces(section):
        for line in code.splitlines() if kind == "bash" else ():
            _, *words = with_quick_network(line).split()
            subprocess.run(
                [*fork_server.python(), *words],
                cwd=folder,
                env=os.environ | changed,
                check=True,
                timeout=500,
            )


def test_the_page_has_a_part_for_each_kind():
    kinds = ["A method", "A data set", "A backbone", "A head"]
    assert list(SECTIONS) == [*kinds, OUTSIDE]


@pytest.mark.parametrize("section", SECTIONS)
def test_it_is_less_than_60_lines(section):
    lines = 0
    for kind, file, code in pieces(section):
        if kind == "python" and not file.startswith("configs/"):
            lines += len(code.splitlines())
        if kind == "diff":
            lines += sum(line[0] == "+" for line in code.splitlines())
    assert 0 < lines < 60


@pytest.mark.parametrize("section", ["A method", "A data set", "A head"])
def test_the_added_members_train(section, copy):
    run_commands(section, copy)
    name = {
        "A method": "shapes_plain_1_16_method=pi_model",
        "A data set": "scans_plain_method=supervised",
        "A head": "shapes_plain_1_16_method=supervised",
    }[section]
    results = copy / "runs" / name / "results.json"
    assert '"step": 2' in results.read_text()


def test_everything_trains_and_is_scored_from_outside(outside):
    run_commands(OUTSIDE, outside, path=str(ROOT))
    results = outside / "runs/outside/results.json"
    assert '"step": 2' in results.read_text()
    recorded = (outside / "runs/outside/config.json").read_text()
    assert (
        '"plugins": "method=my_members,data.name=my_members,'
        'model.backbone=my_members,model.head=my_members"'
    ) in recorded
