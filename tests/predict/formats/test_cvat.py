"""CVAT's zip, read back as CVAT's reader reads it.

GOLDEN is what datumaro 1.13.12 and CVAT's own copy of it gave for these files.
"""

import zipfile

import numpy as np
import pytest

from ipixmatch_jax.predict.formats.base import LabelledImage, Labelling
from ipixmatch_jax.predict.formats.cvat import Cvat, number_objects
from tests.predict.formats import awkward
from tests.predict.formats.readers import read_cvat

# Name of the image -> (class, number, pixels) of its masks.
GOLDEN = {
    "column": [("crack", 1, 2), ("leaf & stem", 2, 2), ("Öl", 3, 1)],
    "deep/er/ring": [("crack", 1, 21), ("leaf & stem", 2, 3)],
    "deep/one pixel": [("Öl", 1, 1)],
    "full": [("leaf & stem", 1, 12)],
    "nothing": [],
    "one pixel": [("crack", 1, 1), ("leaf & stem", 2, 1)],
    "row ü": [("crack", 1, 2), ("leaf & stem", 2, 2), ("Öl", 3, 1)],
    "touching corners": [
        ("crack", 1, 4),
        *(("crack", k, 1) for k in range(2, 6)),
    ],
}


def test_the_masks_come_back_exactly(tmp_path):
    awkward.write_all(Cvat(), tmp_path)
    found, labelmap = read_cvat(tmp_path / "cvat.zip")
    assert list(found) == sorted(awkward.MAPS)
    for name, truth in awkward.MAPS.items():
        ids = np.zeros_like(truth)
        for label, mask in found[name]:
            ids[mask] = awkward.NAMES.index(label)
        np.testing.assert_array_equal(ids, truth, name)
    assert labelmap[1] == "background:0,0,0::"
    assert "crack:200,0,0::" in labelmap


def test_every_part_is_an_object(tmp_path):
    awkward.write_all(Cvat(), tmp_path)
    found, _ = read_cvat(tmp_path / "cvat.zip")
    for name, golden in GOLDEN.items():
        masks = enumerate(found[name], 1)
        listed = [(label, k, int(mask.sum())) for k, (label, mask) in masks]
        assert listed == golden, name


def test_background_is_an_object_if_wanted(tmp_path):
    awkward.write_all(Cvat(), tmp_path, background=True)
    found, _ = read_cvat(tmp_path / "cvat.zip")
    for name, truth in awkward.MAPS.items():
        assert sum(mask.sum() for _, mask in found[name]) == truth.size
    assert [label for label, _ in found["nothing"]] == ["background"]


def test_the_folder_holds_what_the_zip_holds(tmp_path):
    awkward.write_all(Cvat(), tmp_path)
    first = (tmp_path / "cvat.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "cvat.zip") as archive:
        names = archive.namelist()
        for name in names:
            assert archive.read(name) == (tmp_path / "cvat" / name).read_bytes()
    files = [p for p in (tmp_path / "cvat").rglob("*") if p.is_file()]
    assert len(names) == len(files) == 2 + 2 * len(awkward.MAPS)
    Cvat().join(tmp_path, awkward.labelling())
    assert (tmp_path / "cvat.zip").read_bytes() == first


def test_more_parts_than_colours():
    ids = np.zeros((60, 60), np.uint8)
    ids[::2, ::2] = 1 + np.arange(30) % 2  # 900 single pixels
    ids[10:19, 10:19] = 3
    image = LabelledImage("a.png", "a", ids, awkward.confidence(ids))
    objects = number_objects(image, awkward.labelling())
    np.testing.assert_array_equal(objects > 0, ids > 0)
    numbers = np.unique(objects[objects > 0])
    assert numbers.max() == 254  # Class 3 has no part left over.
    for k in numbers:
        assert len(np.unique(ids[objects == k])) == 1
    assert objects[10, 10] == 1  # the largest


def test_two_classes_of_one_colour_get_two(tmp_path):
    colours = ((0, 0, 0), (128, 0, 0), (128, 0, 0))
    labelling = Labelling(("road", "car", "lorry"), colours)
    ids = np.array([[0, 1, 2]], np.uint8)
    image = LabelledImage("a.png", "a", ids, awkward.confidence(ids))
    Cvat().write_image(tmp_path, image, labelling)
    Cvat().join(tmp_path, labelling)
    found, _ = read_cvat(tmp_path / "cvat.zip")
    places = {label: mask.argmax() for label, mask in found["a"]}
    assert places == {"road": 0, "car": 1, "lorry": 2}


@pytest.mark.parametrize(
    ("names", "classes", "words"),
    [
        (["#1"], ("a", "b"), "The image '#1' cannot stand in CVAT's list"),
        (["x", " a"], ("a", "b"), "The image ' a' cannot stand"),
        (["x"], ("a: b", "c"), "The class 'a: b' cannot stand in labelmap.txt"),
    ],
)
def test_names_that_the_files_cannot_hold_are_refused(names, classes, words):
    with pytest.raises(ValueError, match=words):
        Cvat().check(names, Labelling(classes, ((1, 2, 3), (4, 5, 6))))
