"""Runs docs/label_tools.md as written, on exports of drawn pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.docs import label_exports, page_commands, photos

pytestmark = pytest.mark.slow

BLOCKS = page_commands.read_blocks("label_tools.md")
FOLDERS = ("data", *(f"from_{t}" for t in label_exports.PACKED))


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The folder after all commands."""
    work = tmp_path_factory.mktemp("work")
    label_exports.make(work)
    page_commands.run_blocks(BLOCKS, work, tmp_path_factory.mktemp("bin"))
    return work


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_export_becomes_the_masks_that_were_drawn(folder, work):
    root = work / folder
    listed = json.loads((root / "classes.json").read_text())
    assert list(listed) == ["background", *label_exports.LABELS]
    masks = sorted(root.rglob("masks/*.png"))
    assert len(masks) == label_exports.MASKS
    for path in masks:
        _, right = photos.photograph(int(path.stem.removeprefix("photo_")))
        with Image.open(path) as mask:
            np.testing.assert_array_equal(np.asarray(mask), np.asarray(right))
    assert len(list(root.rglob("images/*.jpg"))) == photos.IMAGES
    parts = {path.parents[1].name for path in masks}
    roboflow = folder == "from_roboflow"
    assert parts == ({"val", folder} if roboflow else {folder})


def test_the_check_finds_nothing_that_stops_training(work):
    (said,) = (path.read_text() for path in work.glob("said/*_check"))
    assert "Images: 5 labelled, 24 unlabelled, 1 val" in said
    assert "Nothing here stops training." in said
