"""Names that are not UTF-8, and images of one name in two folders."""

import json
import zipfile

import pytest

from ipixmatch_jax.predict.formats.registry import FORMATS
from tests.predict.formats import awkward

LATIN1 = "caf\udce9"


@pytest.mark.parametrize("name", FORMATS)
def test_names_that_are_not_utf8_are_written_as_printable_ones(name, tmp_path):
    if name == "coco":
        pytest.importorskip("pycocotools")
    writer, labelling = FORMATS[name], awkward.labelling()
    ids = awkward.MAPS["one pixel"]
    for folder in ("", "deep/"):
        image = awkward.LabelledImage(
            f"photos/{folder}{LATIN1}.jpg",
            folder + LATIN1,
            ids,
            awkward.confidence(ids),
        )
        writer.write_image(tmp_path, image, labelling)
        for file in writer.image_files(image.name):
            assert (tmp_path / file).is_file()
    writer.join(tmp_path, labelling)
    for path in tmp_path.rglob("*.json"):
        text = path.read_bytes().decode()
        json.loads(text)
        assert r"\udce9" not in text
    for file in writer.joined:
        if file.endswith(".zip"):
            with zipfile.ZipFile(tmp_path / file) as archive:
                names = archive.namelist()
            assert r"SegmentationClass/deep/caf\xe9.png" in names
        if file.endswith(("annotations.json", "tasks.json")):
            values = json.loads((tmp_path / file).read_text("utf-8"))
            images = values["images"] if name == "coco" else values
            assert len(images) == 2
