"""Runs docs/tutorial.md in fewer steps, on a folder of drawn pictures."""

import json
import pathlib
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import folder
from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.experiment.data import open_data
from tests.docs import page_commands, photos, wrong_turns

pytestmark = pytest.mark.slow

TEXT = (page_commands.ROOT / "docs/tutorial.md").read_text("utf-8")
BLOCKS = page_commands.read_blocks("tutorial.md")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The folder after all commands; `said/` holds what each printed."""
    work = tmp_path_factory.mktemp("work")
    photos.make(work / "photos")
    programs = tmp_path_factory.mktemp("bin")
    settings, *commands = BLOCKS
    settings = page_commands.shorten(settings)
    page_commands.run_blocks([settings, *commands], work, programs)
    return work


def said(work, command):
    (first, *_) = sorted(work.glob(f"said/*_{command}"))
    return first.read_text()


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_page_has_the_expected_commands():
    commands = [b.split()[1] for b in BLOCKS if b.startswith("ipixmatch")]
    assert commands == [
        *("check", "train", "report", "predict", "suggest", "predict")
    ]


def test_the_check_and_the_run(work):
    text = said(work, "check")
    assert "Images: 5 labelled, 24 unlabelled, 1 val" in text
    assert "Nothing here stops training." in text
    run = work / "runs/mine"
    results = json.loads((run / "results.json").read_text())
    assert results["class_names"] == list(photos.CLASSES)
    assert results["last"]["step"] == 8
    assert pixels(run / "pictures.png").shape[1] > 4 * 64
    assert "| mean (mIoU)" in said(work, "train")


def test_the_report_needs_no_network(work):
    page = (work / "runs/mine/report.html").read_text("utf-8")
    assert all(name in page for name in photos.CLASSES)
    assert not re.search(r"""<(script|link|img)[^>]*(src|href)=.?http""", page)


def test_the_predictions(work):
    for i in range(photos.IMAGES):
        ids = pixels(work / f"predicted/predictions/photo_{i:02}.png")
        assert ids.shape == photos.SIZE[::-1]
        assert set(np.unique(ids)) <= {0, 1, 2}
        for kind in ("overlays", "confidence"):
            picture = pixels(work / f"predicted/{kind}/photo_{i:02}.png")
            assert picture.shape[:2] == photos.SIZE[::-1]


def test_the_suggestions_and_the_model(work):
    names = (work / "runs/mine/suggestions/suggestions.txt").read_text()
    names = names.splitlines()
    assert len(set(names)) == 5
    masks = {f"images/{p.stem}.jpg" for p in work.glob("photos/masks/*")}
    assert not masks & set(names)
    assert (work / "runs/mine/suggestions/suggestions.png").is_file()
    with zipfile.ZipFile(work / "model.zip") as archive:
        listed = json.loads(archive.read("class_names.json"))
    assert listed == list(photos.CLASSES)


def rows():
    """{fault: message} from the table of faults."""
    table = TEXT.split("## When something is wrong")[1]
    found = re.findall(r"^\| (.*?) \| `(.*?)` \| .* \|$", table, re.MULTILINE)
    return dict(found)


def test_the_table_lists_every_fault():
    assert list(rows()) == list(wrong_turns.FOLDERS)


@pytest.mark.parametrize("name", wrong_turns.FOLDERS)
def test_each_fault_gets_the_message_of_the_table(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong_turns.FOLDERS[name](pathlib.Path("photos"))
    config = folder.get_config("tiny")
    config.data.root = "photos"
    try:
        data = open_data(config)
        report = inspect.check_data(data, crop_size=49)
        text = "\n".join(inspect.report_lines(report))
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        assert "\n" not in text
    assert rows()[name] in text
