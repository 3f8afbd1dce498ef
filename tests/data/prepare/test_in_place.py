"""What `prepare` without --out does, whatever the data set."""

import re

import numpy as np
import pytest

from ipixmatch_jax.data.prepare import __main__ as prepare_main
from ipixmatch_jax.data.prepare.in_place import prepare_in_place
from ipixmatch_jax.data.registry import DATASETS
from tests.data.prepare import downloads


def test_cityscapes_is_unpacked_without_what_nobody_reads(tmp_path):
    images, masks = {}, {}
    for part, city in (("train", "ulm"), ("val", "bonn"), ("test", "kiel")):
        stem = f"{part}/{city}/{city}_0"
        images[f"leftImg8bit/{stem}_leftImg8bit.png"] = downloads.png(
            np.zeros((4, 6))
        )
        for kind in ("labelIds", "color"):
            content = downloads.png(np.full((4, 6), 7))
            masks[f"gtFine/{stem}_gtFine_{kind}.png"] = content
    downloads.zipped(tmp_path / "leftImg8bit_trainvaltest.zip", images)
    downloads.zipped(tmp_path / "gtFine_trainvaltest.zip", masks)
    assert prepare_in_place("cityscapes", tmp_path) == [
        "train: 1 of 2975 images",
        "val: 1 of 500 images",
    ]
    found = {path.name for path in tmp_path.rglob("*.png")}
    assert "kiel_0_leftImg8bit.png" not in found
    assert not any(name.endswith("_color.png") for name in found)


def test_a_full_set_is_counted_without_a_comparison(tmp_path, monkeypatch):
    kind = DATASETS["ade20k"]
    download = kind.download._replace(images={"train": 1, "val": 1})
    monkeypatch.setitem(
        DATASETS._members, "ade20k", kind._replace(download=download)
    )
    downloads.ade20k(tmp_path, [np.ones((4, 6)), np.ones((4, 6))])
    lines = ["train: 1 image", "val: 1 image"]
    assert prepare_in_place("ade20k", tmp_path) == lines
    assert prepare_in_place("ade20k", tmp_path) == lines


@pytest.mark.parametrize("name", ["voc", "cityscapes", "ade20k", "coco"])
def test_an_empty_folder_says_what_to_download(name, tmp_path, capsys):
    for source in (tmp_path, tmp_path / "gone"):
        with pytest.raises(SystemExit):
            prepare_main.main([name, "--source", str(source)])
        said = " ".join(capsys.readouterr().err.split())
        assert re.search(rf"download .*data.prepare {name} --source DIR", said)


def test_a_folder_of_ones_own_needs_no_preparation(tmp_path):
    with pytest.raises(ValueError, match=r"folder is read as it is; --out"):
        prepare_in_place("folder", tmp_path)
