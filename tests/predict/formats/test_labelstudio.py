"""Label Studio's tasks, and the interface that they belong to."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from ipixmatch_jax.predict.formats.labelstudio import (
    LabelStudio,
    describe_interface,
)
from tests.predict.formats import awkward
from tests.predict.formats.readers import read_labelstudio


def test_the_masks_come_back_exactly(tmp_path):
    awkward.write_all(LabelStudio(), tmp_path)
    found = read_labelstudio(tmp_path / "labelstudio/tasks.json")
    for name, (_, prediction, ids) in zip(
        sorted(awkward.MAPS), found, strict=True
    ):
        truth = awkward.MAPS[name]
        assert len(prediction["result"]) == len(set(truth[truth > 0]))
        if ids is not None:
            np.testing.assert_array_equal(ids, truth, name)


def test_scores_are_mean_confidences(tmp_path):
    awkward.write_all(LabelStudio(), tmp_path)
    path = tmp_path / "labelstudio/by_image/row ü.json"
    (prediction,) = json.loads(path.read_text())["predictions"]
    assert prediction["model_version"] == "the student after 7 steps"
    ids = awkward.MAPS["row ü"]
    assert prediction["score"] == round(float(0.5 + ids.mean() / 8), 4)
    scores = {
        one["value"]["brushlabels"][0]: one["score"]
        for one in prediction["result"]
    }
    assert scores == {"crack": 0.625, "leaf & stem": 0.75, "Öl": 0.875}


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        ("", "/data/local-files/?d=my%20photos/deep/row%20%C3%BC%261.jpg"),
        ("https://a.b/c/", "https://a.b/c/deep/row%20%C3%BC%261.jpg"),
        ("s3://bucket/x/", "s3://bucket/x/deep/row ü&1.jpg"),
    ],
)
def test_urls_lead_to_the_images(tmp_path, prefix, url):
    image = awkward.labelled("one pixel")._replace(
        path=str(tmp_path / "my photos/deep/row ü&1.jpg"), name="deep/row ü&1"
    )
    chosen = awkward.labelling(image_url=prefix)
    LabelStudio().write_image(tmp_path, image, chosen)
    LabelStudio().join(tmp_path, chosen)
    ((found, _, _),) = read_labelstudio(tmp_path / "labelstudio/tasks.json")
    assert found == url


def test_the_interface_has_the_classes_and_their_colours():
    root = ElementTree.fromstring(describe_interface(awkward.labelling()))
    labels = [(x.get("value"), x.get("background")) for x in root.iter("Label")]
    assert labels == [
        ("crack", "#c80000"),
        ("leaf & stem", "#005a07"),
        ("Öl", "#000000"),
    ]
    assert root.find("Image").get("value") == "$image"
    assert root.find("BrushLabels").get("toName") == "image"
