"""Folders as they come from laptops, notebooks, NAS boxes and label tools."""

import os
import shutil
import socket
import unicodedata

import numpy as np
import pytest

from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.data.files.walk import walk_images
from tests.data import own_folder as own
from tests.data.folder_helpers import (
    LINES,
    PHOTOS,
    SPELLINGS,
    every,
    lists,
    names,
    notes,
    opened,
    refused,
)


@pytest.mark.parametrize(
    "tool",
    [
        *(".ipynb_checkpoints", "@eaDir", "__MACOSX", ".thumbnails", ".git"),
        *("Thumbs", "thumbnails", "#recycle", "$RECYCLE.BIN", "@Recycle"),
        *(".Trash-1000", "System Volume Information", "lost+found"),
    ],
)
def test_folders_of_tools_are_left_aside_with_a_word(tool, tmp_path):
    own.make(tmp_path)
    for folder in ("images", "masks", "images/deep"):
        own.save(tmp_path / folder / tool / "0-copy.jpg", own.photograph(0))
        own.save(
            tmp_path / folder / tool / "1.jpg/THUMB_M.jpg", own.photograph(1)
        )
    data = opened(tmp_path)
    assert every(data) == PHOTOS
    both = sorted([f"images/{tool}", f"images/deep/{tool}"])
    assert all(folder in notes(data) for folder in both)
    assert f"left aside: masks/{tool}." in notes(data)


def test_files_of_tools_are_passed_over(tmp_path):
    own.make(tmp_path)
    for name in ("._0.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "a.xmp"):
        (tmp_path / "images" / name).write_bytes(b"\0\5\x16\7")
        (tmp_path / "masks" / name).write_bytes(b"\0\5\x16\7")
    assert every(opened(tmp_path)) == PHOTOS


def test_pipes_and_sockets_are_never_opened(tmp_path, monkeypatch):
    own.make(tmp_path)
    os.mkfifo(tmp_path / "images/pipe.jpg")
    os.mkfifo(tmp_path / "masks/3pipe.png")
    monkeypatch.chdir(tmp_path / "images")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.jpg")
        data = opened(tmp_path)
    assert every(data) == PHOTOS
    assert "2 pipes, sockets or devices are left aside: images/pipe.jpg" in (
        notes(data)
    )


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    own.make(tmp_path)
    (tmp_path / "images/locked").mkdir()
    scan = os.scandir

    def denied(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    refused(tmp_path, "images/locked cannot be read: Permission denied")


def test_the_folder_that_is_asked_for_may_be_called_anything(tmp_path):
    own.save(tmp_path / "thumbnails/a.jpg", own.photograph(0))
    assert walk_images(tmp_path / "thumbnails").images == ("a.jpg",)


@pytest.mark.parametrize("ending", [".jfif", ".JPEG", ".jpe", ".JPG"])
def test_endings_of_jpeg(ending, tmp_path):
    own.make(tmp_path)
    os.rename(tmp_path / "images/7.jpg", tmp_path / f"images/7{ending}")
    assert f"images/7{ending}" in every(opened(tmp_path))


@pytest.mark.parametrize("ending", [".heic", ".HEIF", ".avif", ".gif", ".dng"])
def test_pictures_that_are_not_read_are_named_with_the_way_out(
    ending, tmp_path
):
    own.make(tmp_path)
    for i in (6, 7):
        os.rename(
            tmp_path / f"images/{i}.jpg", tmp_path / f"images/{i}{ending}"
        )
    said = notes(opened(tmp_path))
    assert "2 files are left aside, since the format is not read" in said
    assert f"images/6{ending}" in said
    assert "convert" in said or "develop" in said
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "images").mkdir()
    (tmp_path / f"images/1{ending}").write_bytes(b"x")
    refused(tmp_path, "holds no images", f"images/1{ending}")


def test_masks_in_a_format_that_is_not_read_are_refused(tmp_path):
    own.make(tmp_path)
    os.rename(tmp_path / "masks/3.png", tmp_path / "masks/3.gif")
    refused(tmp_path, "masks/3.gif", "masks are PNG files")


@pytest.mark.parametrize(
    "name", ["valid", "validation", "validate", "Val", "val"]
)
def test_other_names_of_val(name, tmp_path):
    own.make(tmp_path)
    own.make(tmp_path / "val", 3, 3)
    os.rename(tmp_path / "val", tmp_path / name)
    data = opened(tmp_path)
    assert names(data.val) == [f"{name}/images/{i}.jpg" for i in range(3)]
    assert (f"{name} is taken for val/" in notes(data)) == (name != "val")


@pytest.mark.parametrize(
    ("role", "name"),
    [
        *(("images", "Images"), ("images", "image"), ("images", "imgs")),
        *(("masks", "mask"), ("masks", "labels"), ("masks", "annotations")),
    ],
)
def test_other_names_of_images_and_masks(role, name, tmp_path):
    own.make(tmp_path)
    os.rename(tmp_path / role, tmp_path / name)
    data = opened(tmp_path)
    assert len(every(data)) == 8 and len(data.val) + len(data.labelled) == 5
    assert f"{name} is taken for {role}/" in notes(data)


def move_parts(root, **parts):
    """images/ and masks/ into sub-folders of both, by number."""
    for part, numbers in parts.items():
        for folder, ending in (("images", "jpg"), ("masks", "png")):
            for i in numbers:
                path = root / folder / f"{i}.{ending}"
                if path.exists():
                    (root / folder / part).mkdir(exist_ok=True)
                    os.rename(path, root / folder / part / path.name)


@pytest.mark.parametrize("extra", ["images", ""])
def test_other_folders_of_images_are_named(extra, tmp_path):
    own.make(tmp_path)
    own.save(tmp_path / "holdout" / extra / "a.jpg", own.photograph(9))
    (tmp_path / "holdout/masks").mkdir()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/a.pdf").touch()
    data = opened(tmp_path)
    assert every(data) == PHOTOS
    assert f"{tmp_path}/holdout holds images and is left aside" in notes(data)
    assert "papers" not in notes(data)


@pytest.mark.parametrize(
    ("role", "name"), [("images", "images"), ("images", "Img"), ("masks", "gt")]
)
def test_a_root_that_is_one_folder_too_deep(role, name, tmp_path, monkeypatch):
    own.make(tmp_path)
    os.rename(tmp_path / role, tmp_path / name)
    words = f"the folder of {role}: name the folder above"
    refused(tmp_path / name, words, f"--config.data.root={tmp_path}.")
    monkeypatch.chdir(tmp_path / name)
    refused(".", words, f"--config.data.root={tmp_path}.")


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (
            "images",
            "their images lie in images/val: move these masks to masks/val.",
        ),
        (
            "masks",
            "their images lie in images: move these images to images/val",
        ),
    ],
)
def test_parts_of_images_or_of_masks_alone(folder, words, tmp_path):
    own.make(tmp_path)
    (tmp_path / folder / "val").mkdir()
    for i in (3, 4):
        (path,) = (tmp_path / folder).glob(f"{i}.*")
        os.rename(path, tmp_path / folder / "val" / path.name)
    refused(tmp_path, "2 of the 5 masks", words)


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_parts_below_images_and_masks(val, tmp_path):
    own.make(tmp_path)
    move_parts(
        tmp_path, **{"train": (0, 1, 2, 5, 6), val: (3, 4), "test": (7,)}
    )
    data = opened(tmp_path)
    assert names(data.val) == [f"images/{val}/{i}.jpg" for i in (3, 4)]
    assert names(data.labelled) == [f"images/train/{i}.jpg" for i in range(3)]
    assert names(data.unlabelled) == [f"images/train/{i}.jpg" for i in (5, 6)]
    assert data.test is None and "1 test image has no mask" in notes(data)
    assert f"{tmp_path}/images/{val} is taken for val/." in notes(data)
    assert f"{tmp_path}/images/test is taken for test/." in notes(data)


def test_parts_that_hold_images_and_masks(tmp_path):
    own.make(tmp_path / "train", 6, 4)
    own.make(tmp_path / "valid/../val", 2, 2)
    data = opened(tmp_path)
    assert [len(s) for s in data[:3]] == [4, 2, 2]
    own.make(tmp_path, 3, 3)
    refused(tmp_path, "images/ and train/images/", "keep one of them")


def test_two_folders_of_val_are_one_too_many(tmp_path):
    own.make(tmp_path)
    move_parts(tmp_path, val=(3, 4))
    own.make(tmp_path / "val", 2, 2)
    refused(tmp_path, "val/images/ and images/val/: keep one of them")


@pytest.mark.parametrize("labelled", SPELLINGS)
@pytest.mark.parametrize("val", SPELLINGS)
def test_spellings_of_lists_name_the_same_images(labelled, val, tmp_path):
    own.make(tmp_path)
    lists(
        tmp_path,
        ["# image mask", *map(SPELLINGS[labelled], LINES[:3])],
        list(map(SPELLINGS[val], LINES[3:])),
    )
    data = opened(tmp_path)
    assert names(data.labelled) == PHOTOS[:3]
    assert names(data.val) == PHOTOS[3:5]
    assert names(data.unlabelled) == PHOTOS[5:]


@pytest.mark.parametrize("name", ["train.txt", "labelled.txt"])
def test_other_names_of_lists(name, tmp_path):
    own.make(tmp_path)
    lists(tmp_path, LINES[:3], LINES[3:], name=name)
    data = opened(tmp_path)
    assert names(data.val) == PHOTOS[3:5]
    assert f"{name} is taken for labeled.txt" in notes(data)


def test_lists_of_unknown_names_are_not_passed_over(tmp_path):
    own.make(tmp_path)
    lists(tmp_path, LINES, name="my_labels.txt")
    refused(tmp_path, "my_labels.txt", "labeled.txt")


def test_names_composed_in_two_ways_are_the_same(tmp_path):
    own.make(tmp_path)
    name = "Straße_Müller"
    for folder, form in (("images", "NFD"), ("masks", "NFC")):
        (path,) = (tmp_path / folder).glob("3.*")
        new = unicodedata.normalize(form, name) + path.suffix
        os.rename(path, path.with_name(new))
    data = opened(tmp_path)
    assert len(data.labelled) + len(data.val) == 5


def test_a_list_may_compose_names_in_another_way(tmp_path):
    own.make(tmp_path)
    folder = unicodedata.normalize("NFD", "Möbel")
    name = unicodedata.normalize("NFD", "é3")
    for part, ending in (("images", ".jpg"), ("masks", ".png")):
        (tmp_path / part / folder).mkdir()
        old = tmp_path / part / f"3{ending}"
        old.rename(tmp_path / part / folder / f"{name}{ending}")
    lines = [
        "images/Möbel/é3.jpg masks/Möbel/é3.png",
        "images/1.jpg masks/1.png",
    ]
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/labeled.txt").write_text("\n".join(lines), "utf-8")
    data = opened(tmp_path)
    (name,) = (n for n in names(data.labelled) + names(data.val) if "M" in n)
    assert name == f"images/{folder}/{unicodedata.normalize('NFD', 'é3')}.jpg"
    assert not any("M" in n for n in names(data.unlabelled))


@pytest.mark.parametrize(
    ("rename", "words"),
    [
        (lambda n: f"mask_{n}", "without 'mask_' at the beginning, 5"),
        (lambda n: n.replace(".", "_mask."), "without '_mask' at the end"),
        (lambda n: f"A{n}", "the images are called 0, 1, 2"),
    ],
)
def test_masks_under_other_names(rename, words, tmp_path):
    own.make(tmp_path)
    for path in list((tmp_path / "masks").iterdir()):
        os.rename(path, path.with_name(rename(path.name)))
    refused(tmp_path, "5 of the 5 masks", words)


def test_upper_and_lower_case_is_told(tmp_path):
    own.make(tmp_path)
    os.rename(tmp_path / "images/3.jpg", tmp_path / "images/IMG.JPG")
    os.rename(tmp_path / "masks/3.png", tmp_path / "masks/img.png")
    refused(tmp_path, "image's upper and lower case, 1 of them would fit")


@pytest.mark.parametrize("masks", [None, "empty"])
def test_test_images_without_masks_do_not_stop_training(masks, tmp_path):
    own.make(tmp_path)
    own.make(tmp_path / "test", 2, 0)
    if masks == "empty":
        (tmp_path / "test/masks").mkdir()
    data = opened(tmp_path)
    assert data.test is None and len(every(data)) == 8
    said = notes(data)
    assert "2 test images have no mask" in said and "predict" in said
    own.make(tmp_path / "test", 2, 1)
    data = opened(tmp_path)
    assert names(data.test) == ["test/images/0.jpg"]
    said = "1 test image has no mask, such as test/images/1.jpg"
    assert said in notes(data)


def test_a_single_val_image_and_a_class_that_it_lacks_are_told(tmp_path):
    own.make(tmp_path, 8, 5)
    own.make(tmp_path / "val", 1, 1, draw=lambda ids: own.grey(ids * 0))
    data = opened(tmp_path)
    report = inspect.check_data(data, crop_size=33)
    assert not report.fails
    told = " ".join(finding.text for finding in report.findings)
    assert "No val image shows 'class 1', 'class 2': their IoUs there" in told
    assert "Val is a single image, val/images/0.jpg" in told


def test_names_that_are_not_utf_8_are_read_and_written_with_escapes(tmp_path):
    own.make(tmp_path)
    for i in range(8):
        for folder, ending in (("images", "jpg"), ("masks", "png")):
            path = os.fsencode(tmp_path / folder)
            old = path + f"/{i}.{ending}".encode()
            if os.path.exists(old):
                os.rename(old, path + b"/Stra\xdfe%d.%s" % (i, ending.encode()))
    data = opened(tmp_path)
    assert len(every(data)) == 8
    np.testing.assert_array_equal(data.unlabelled[0].image.size, (48, 40))
    notes(data).encode("utf-8")
    os.truncate(os.fsencode(tmp_path) + b"/images/Stra\xdfe7.jpg", 0)
    lines = "\n".join(
        inspect.report_lines(inspect.check_data(data, crop_size=33))
    )
    lines.encode("utf-8")
    assert "images/Stra\\xdfe7.jpg is empty" in lines
