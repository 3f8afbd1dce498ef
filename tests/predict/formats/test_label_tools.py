"""The label tools' own readers see the same masks.

They run in a Python of their own, which LABEL_TOOLS_PYTHON names; see
CONTRIBUTING.md. The other tests of this folder read the files without them.
"""

import json
import os
import pathlib
import subprocess
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.predict.formats.registry import FORMATS
from tests.predict.formats import awkward

PYTHON = os.environ.get("LABEL_TOOLS_PYTHON", "")
SCRIPT = pathlib.Path(__file__).with_name("read_with_tools.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="LABEL_TOOLS_PYTHON is not set"),
]


def read(tool, folder):
    """{name: class ids}, as the tool reads the maps below a folder."""
    (folder / "names.json").write_text(json.dumps(awkward.NAMES))
    done = subprocess.run(
        [PYTHON, str(SCRIPT), tool, str(folder), str(folder / "found.npz")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "found.npz") as found:
        names = found["names"].tolist()
        return {name: found[str(k)] for k, name in enumerate(names)}


def write(tool, folder, **changes):
    for name, ids in awkward.MAPS.items():
        path = folder / "photos" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(path)
    writer = FORMATS[tool]
    awkward.write_all(writer, folder, str(folder / "photos"), **changes)


@pytest.mark.parametrize("tool", ["cvat", "labelme", "labelstudio"])
def test_masks_are_exact(tool, tmp_path):
    write(tool, tmp_path)
    found = read(tool, tmp_path)
    if tool == "labelstudio":
        found = {
            urllib.parse.unquote(url)
            .removeprefix("photos/")
            .removesuffix(".jpg"): ids
            for url, ids in found.items()
        }
    assert sorted(found) == sorted(awkward.MAPS)
    for name, truth in awkward.MAPS.items():
        if truth.any() or found[name].size:
            np.testing.assert_array_equal(found[name], truth, name)


def test_labelme_fills_polygons_as_the_masks_were(tmp_path):
    pytest.importorskip("shapely")
    write("labelme", tmp_path, tolerance=0.5)
    for name, ids in read("labelme", tmp_path).items():
        for k in range(1, 4):
            truth = awkward.MAPS[name] == k
            assert awkward.iou(ids == k, truth) >= 0.99, (name, k)
