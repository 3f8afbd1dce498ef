"""ArrayRecord sets give back what was packed, without TensorFlow."""

import io
import json
import pickle
import re
import shutil
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import pipeline
from ipixmatch_jax.data.datasets import cityscapes
from ipixmatch_jax.data.prepare import __main__ as prepare_main
from ipixmatch_jax.data.prepare.pack import pack_data_set
from ipixmatch_jax.data.records import array_record
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.source import BadFileError
from tests.data import own_folder as own


def same(one, other):
    """Asserts that all images, masks and names of two sets are equal."""
    for a, b in zip(one[:4], other[:4], strict=True):
        assert (a is None) == (b is None)
        for i in range(len(a) if a else 0):
            assert a.name(i) == b.name(i) and a.size(i) == b.size(i)
            assert a[i].image.tobytes() == b[i].image.tobytes()
            if a[i].mask is None:
                assert b[i].mask is None
            else:
                np.testing.assert_array_equal(a[i].mask, b[i].mask)
        assert len(a or ()) == len(b or ())
    assert one.class_names == other.class_names
    assert one.palette == other.palette


def own_data(root):
    return open_data("folder", str(root), "", "", holdout=0.2)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    classes = own.CLASSES | {"void": [1, 1, 1]}
    own.make(root / "from", 8, 5, draw=own.rgb, classes=classes)
    own.make(root / "from/test", 2, 2, draw=own.rgb)
    target, counts = pack_data_set("folder", root / "from", root / "to")
    assert counts == {"train": 4, "unlabelled": 3, "val": 1, "test": 2}
    return root / "from", target


def test_a_packed_folder_reads_as_the_folder(packed):
    same(own_data(packed[0]), own_data(packed[1]))
    assert "tensorflow" not in sys.modules


def test_packed_records_pickle_and_feed_the_pipeline(packed):
    data = own_data(packed[1])
    again = pickle.loads(pickle.dumps(data.labelled))
    assert again[2].image.tobytes() == data.labelled[2].image.tobytes()
    assert again.mask(2).tobytes() == data.labelled[2].mask.tobytes()
    settings = {"batch_size": 2, "crop_size": 33, "seed": 0}
    from_files = own_data(packed[0])
    one, two = (
        pipeline.train_batches(d.labelled, d.unlabelled, **settings)[3]
        for d in (from_files, data)
    )
    np.testing.assert_array_equal(
        one["labelled"]["mask"], two["labelled"]["mask"]
    )
    np.testing.assert_array_equal(
        one["unlabelled"]["image"], two["unlabelled"]["image"]
    )


def test_a_packed_set_is_not_overwritten(packed):
    with pytest.raises(ValueError, match="is there already"):
        pack_data_set("folder", packed[0], packed[1].parents[1])


def test_a_missing_file_is_reported(packed, tmp_path):
    for path in packed[1].iterdir():
        if "val.array_record" not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FileNotFoundError, match=r"0 of the 1 files .* val"):
        own_data(tmp_path)


def set_text(name, text):
    return lambda folder: (folder / name).write_text(text)


def set_field(name, field, value):
    def change(folder):
        fields = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(fields | {field: value}))

    return change


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("dataset_info.json", set_text("dataset_info.json", '{"splits": [')),
        ("dataset_info.json", set_text("dataset_info.json", "[]")),
        ("dataset_info.json", set_field("dataset_info.json", "splits", 3)),
        ("dataset_info.json", set_field("dataset_info.json", "splits", [{}])),
        ("features.json", set_text("features.json", "3")),
        ("features.json", set_field("features.json", "featuresDict", None)),
        ("names.json", set_text("names.json", '{"train": ["a"')),
        ("names.json", set_field("names.json", "train", ["a"])),
        ("names.json", set_field("names.json", "val", 3)),
    ],
)
def test_a_damaged_description_is_named(packed, tmp_path, name, damage):
    folder = shutil.copytree(packed[1], tmp_path / "set")
    damage(folder)
    with pytest.raises(ValueError, match="copy the whole folder") as error:
        own_data(folder)
    assert str(folder / name) in str(error.value)
    assert "\n" not in str(error.value)


def cut(content):
    return content[: len(content) // 2]


def overwrite(content):
    middle = len(content) // 2
    return content[: middle - 500] + b"\xff" * 1000 + content[middle + 500 :]


@pytest.mark.parametrize("damage", [cut, overwrite, lambda content: b"x" * 99])
def test_a_damaged_record_is_a_bad_file_with_its_name(packed, tmp_path, damage):
    folder = shutil.copytree(packed[1], tmp_path / "set")
    (path,) = folder.glob("*-unlabelled.array_record-*")
    path.write_bytes(damage(path.read_bytes()))
    data = own_data(folder)
    bad = 0
    for i in range(len(data.unlabelled)):
        try:
            assert data.unlabelled[i].image.size == (48, 40)
        except BadFileError as error:
            bad += 1
            assert data.unlabelled.name(i) in str(error)
            assert "\n" not in str(error)
    assert bad


def zip_with_password(path):
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("SegmentationClassAug/a.png", b"x")
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag of the member
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def cut_zip(path):
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("SegmentationClassAug/a.png", b"x" * 1000)
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    "make", [zip_with_password, cut_zip, lambda p: p.write_bytes(b"<html>")]
)
def test_an_archive_that_cannot_be_unpacked_is_named(tmp_path, make):
    path = tmp_path / "SegmentationClassAug.zip"
    make(path)
    with pytest.raises(ValueError, match="is damaged, cut off") as error:
        pack_data_set("voc", tmp_path, tmp_path / "out")
    assert str(path) in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def test_a_cut_tar_is_named(tmp_path):
    path = tmp_path / "VOCtrainval_11-May-2012.tar"
    (tmp_path / "a.jpg").write_bytes(b"x" * 5000)
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "a.jpg", "VOCdevkit/VOC2012/JPEGImages/a.jpg")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"2012\.tar is damaged, cut off"):
        pack_data_set("voc", tmp_path, tmp_path / "out")


def test_another_format_is_refused(packed, tmp_path):
    info = json.loads((packed[1] / "dataset_info.json").read_text())
    info["fileFormat"] = "tfrecord"
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"format tfrecord.*array_record"):
        own_data(tmp_path)


def test_voc_from_its_archives_under_split_lists(tmp_path):
    plain, lists = tmp_path / "VOCdevkit/VOC2012", tmp_path / "lists"
    for i, name in enumerate("abcd"):
        own.save(plain / f"JPEGImages/{name}.jpg", own.photograph(i))
    for i, name in enumerate("ab"):
        mask = own.indexed(own.ids(i), [(0, 0, 0), (9, 0, 0), (0, 9, 0)])
        own.save(plain / f"SegmentationClass/{name}.png", mask)
    sets = plain / "ImageSets/Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("a\n")
    (sets / "val.txt").write_text("b\n")
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with tarfile.open(downloads / "VOCtrainval_11-May-2012.tar", "w") as tar:
        tar.add(tmp_path / "VOCdevkit", "VOCdevkit")
    with zipfile.ZipFile(downloads / "SegmentationClassAug.zip", "w") as z:
        for i, name in enumerate("abc"):
            png = io.BytesIO()
            Image.fromarray(own.ids(i)).save(png, "PNG")
            z.writestr(f"SegmentationClassAug/{name}.png", png.getvalue())
    target, counts = pack_data_set("voc", downloads, tmp_path / "out")
    assert counts == {"train": 2, "val": 1}  # SBD adds c; d has no mask
    assert sorted(p.name for p in downloads.iterdir()) == [
        "SegmentationClassAug.zip",
        "VOCtrainval_11-May-2012.tar",
    ]
    assert [p.name for p in (tmp_path / "out").iterdir()] == [
        "voc_segmentation"
    ]
    (lists / "1_2").mkdir(parents=True)
    line = "JPEGImages/{0}.jpg SegmentationClass/{0}.png\n"
    (lists / "1_2/labeled.txt").write_text(line.format("c"))
    (lists / "1_2/unlabeled.txt").write_text(line.format("a"))
    (lists / "val.txt").write_text(line.format("b"))
    data = open_data("voc", str(target), str(lists), "1_2")
    assert len(data.class_names) == 21 and data.unlabelled[0].mask is None
    np.testing.assert_array_equal(data.labelled[0].mask, own.ids(2))
    np.testing.assert_array_equal(data.val[0].mask, own.ids(1))
    assert data.palette[15] == (192, 128, 128)
    (lists / "1_2/labeled.txt").write_text(line.format("d"))
    with pytest.raises(
        FileNotFoundError, match=r"1 image that .* JPEGImages/d"
    ):
        open_data("voc", str(target), str(lists), "1_2")


def test_cityscapes_masks_become_train_ids(tmp_path):
    for i, part in enumerate(("train", "val")):
        stem = f"{part}/ulm/ulm_{i}"
        own.save(
            tmp_path / f"leftImg8bit/{stem}_leftImg8bit.png",
            own.photograph(i),
        )
        ids = np.arange(1920).reshape(40, 48) % 34
        own.save(
            tmp_path / f"gtFine/{stem}_gtFine_labelIds.png",
            Image.fromarray(ids.astype(np.uint8)),
        )
    target, counts = pack_data_set("cityscapes", tmp_path, tmp_path / "out")
    assert counts == {"train": 1, "val": 1}
    image = "leftImg8bit/{0}/ulm/ulm_{1}_leftImg8bit.png None\n"
    (tmp_path / "1_2").mkdir()
    (tmp_path / "1_2/labeled.txt").write_text(image.format("train", 0))
    (tmp_path / "1_2/unlabeled.txt").write_text(image.format("train", 0))
    (tmp_path / "val.txt").write_text(image.format("val", 1))
    data = open_data("cityscapes", str(target), str(tmp_path), "1_2")
    ids = np.asarray(data.val[0].mask).ravel()[:34]
    assert ids[[7, 24, 33, 0, 9]].tolist() == [0, 11, 18, 255, 255]
    assert data.class_names == cityscapes.CLASS_NAMES


def test_the_command_names_what_is_missing(tmp_path, capsys):
    def refused(source, words):
        with pytest.raises(SystemExit):
            prepare_main.main(
                ["voc", "--source", source, "--out", str(tmp_path / "out")]
            )
        assert re.search(words, capsys.readouterr().err)

    refused(str(tmp_path), r"train_aug.txt.*host.robots")
    refused("gone", "No folder at")


def test_names_are_read_once_per_split(tmp_path, monkeypatch):
    found = array_record.RecordSet(tmp_path, {"a": 50, "b": 2}, "image", "mask")
    names, asked = array_record.RecordSet.names, []
    monkeypatch.setattr(
        array_record.RecordSet,
        "names",
        lambda self, split: asked.append(split) or names(self, split),
    )
    entries = [("a", i) for i in range(50)] + [("b", 1)]
    source = array_record.RecordSource(found, entries, None)
    assert sorted(asked) == ["a", "b"]
    assert (source.name(7), source.name(50)) == ("a/7", "b/1")
