"""What `predict --format` writes comes back through `prepare`."""

import json

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.predict.formats.registry import FORMATS
from tests.data.prepare.label_tools import golden
from tests.predict.formats import awkward

# What is imported into the tool, below the output's folder.
EXPORTS = {
    "coco": "coco/annotations.json",
    "cvat": "cvat.zip",
    "labelme": "labelme",
    "labelstudio": "labelstudio/tasks.json",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for seed, (name, ids) in enumerate(awkward.MAPS.items()):
        pixels = np.random.default_rng(seed).integers(0, 256, (*ids.shape, 3))
        path = root / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return root


def submit(path):
    """Makes annotations of predictions, as a person does in Label Studio."""
    tasks = json.loads(path.read_text("utf-8"))
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    path.write_text(json.dumps(tasks))


def test_every_format_has_a_way_back():
    assert sorted(EXPORTS) == sorted(
        name for name in FORMATS if name != "masks"
    )


@pytest.mark.parametrize("name", EXPORTS)
def test_masks_come_back(name, photos, tmp_path):
    awkward.write_all(FORMATS[name], tmp_path / "out", photos=photos)
    source = tmp_path / "out" / EXPORTS[name]
    if name == "labelstudio":
        submit(source)
    golden.prepared(name, source, tmp_path / "in", photos, empty="background")
    listed = list(golden.classes(tmp_path / "in"))
    assert listed[0] == "background" and set(listed) == set(awkward.NAMES)
    for key, ids in awkward.MAPS.items():
        found = np.array(listed)[
            golden.pixels(tmp_path / f"in/masks/{key}.png")
        ]
        np.testing.assert_array_equal(found, np.array(awkward.NAMES)[ids])
