"""Runs the round of labelling of docs/suggest.md, in fewer steps."""

import json
import re

import pytest

from tests.docs import label_exports, page_commands

pytestmark = pytest.mark.slow

BLOCKS = page_commands.read_blocks("suggest.md")
SETTINGS = page_commands.shorten(page_commands.read_blocks("tutorial.md")[0])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The folder after all commands."""
    work = tmp_path_factory.mktemp("work")
    root = work / "photos"
    label_exports.labelme(root)
    (root / "val").mkdir()
    for path in root.glob("photo_0[01].*"):
        path.rename(root / "val" / path.name)
    programs = tmp_path_factory.mktemp("bin")
    page_commands.run_blocks([SETTINGS, *BLOCKS], work, programs)
    return work


def test_the_second_run_learns_from_the_suggestions_too(work):
    names = (work / "round_1/suggestions.txt").read_text().split()
    stems = {re.search(r"photo_\d+", name)[0] for name in names}
    assert len(stems) == 5

    def masks(folder):
        return {path.stem for path in (work / folder / "masks").glob("*")}

    # A suggestion on which the network saw background alone has no shape.
    added = masks("data_2") - masks("data_1")
    assert added and added <= stems


def test_the_second_run_starts_from_the_first(work):
    first, second = work / "runs/round_1", work / "runs/round_2"
    origin = json.loads((second / "continued_from.json").read_text())
    best = json.loads((first / "results.json").read_text())["best"]
    assert origin["run"] == str(first.resolve())
    assert (origin["step"], origin["score"]) == (
        best["step"],
        best["val"]["miou"],
    )
    page = (first / "comparison.html").read_text("utf-8")
    assert f"continues from {first.resolve()}" in page
    config = json.loads((second / "config.json").read_text())
    assert config["data"]["root"] == "data_2"
    assert config["train"]["steps"] == 8
