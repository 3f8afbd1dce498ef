"""The check on 20 clean and 20 spoilt folders: each gets its due.

Clean ones are opened with the right labels. Spoilt ones are refused when they
are opened, or the check says that training would fail; the words name a file.
"""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.data.registry import open_data
from tests.data import own_folder as own
from tests.data.mask_files import (
    BLACK_WHITE,
    RED,
    RGB3,
    VOID,
    drawn,
    folder,
    grey,
    palette,
    three,
    white,
)
from tests.data.tiff_files import tiff


def bordered(i):
    ids = drawn(i)
    ids[i, :] = 255
    return ids


def listed(root):
    folder(root, lambda i: grey(drawn(i)), RED)
    lines = [f"./images/{i}.jpg ./masks/{i}.png" for i in range(6)]
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text("\n".join(lines[:4]))
    (root / "splits/val.txt").write_text("\n".join(lines[4:]))


def deep(root):
    folder(root, lambda i: grey(drawn(i)), RED)
    for path in (root / "images").iterdir():
        values = np.asarray(Image.open(path), np.uint16) * 16
        path.with_suffix(".tif").write_bytes(tiff(values, 2, planar=2))
        path.unlink()


def with_tools(root):
    folder(root, lambda i: grey(drawn(i)), RED)
    for name in ("images", "masks"):
        copy = root / name / ".ipynb_checkpoints"
        copy.mkdir()
        for path in list((root / name).glob("*.*g")):
            shutil.copy(path, copy / f"{path.stem}-checkpoint{path.suffix}")


def with_test(root):
    folder(root, lambda i: grey(drawn(i)), RED)
    own.make(root / "test", 3, 0)


def made(draw, classes):
    return lambda root: folder(root, draw, classes)


CLEAN = {
    "ids": made(lambda i: grey(drawn(i)), RED),
    "ids without a list": made(lambda i: grey(three(i)), None),
    "ids with a border": made(lambda i: grey(bordered(i)), RED),
    "ids with a border, void listed": made(lambda i: grey(bordered(i)), VOID),
    "names alone": made(lambda i: grey(drawn(i)), ["background", "crack"]),
    "black and white": made(lambda i: white(drawn(i)), BLACK_WHITE),
    "1 bit": made(lambda i: white(drawn(i), "1"), BLACK_WHITE),
    "1 bit of ids": made(lambda i: white(drawn(i), "1"), RED),
    "1 and 8 bits": made(
        lambda i: white(drawn(i), "1" if i % 2 else None), BLACK_WHITE
    ),
    "RGB": made(lambda i: own.rgb(three(i), RGB3), RGB3),
    "RGBA": made(lambda i: own.rgb(three(i), RGB3).convert("RGBA"), RGB3),
    "palette": made(lambda i: palette(three(i), RGB3.values()), RGB3),
    "palette, padded": made(
        lambda i: palette(three(i), [*RGB3.values(), *[(0, 0, 0)] * 200]),
        RGB3,
    ),
    "palette, no list": made(lambda i: palette(three(i), RGB3.values()), None),
    "16 bits": made(
        lambda i: Image.fromarray(three(i).astype(np.uint16)), RGB3
    ),
    "void in the middle": made(
        lambda i: own.rgb(three(i), RGB3),
        {"ground": [0, 0, 0], "void": [255, 0, 0], "green": [0, 255, 0]},
    ),
    "lists": listed,
    "deep images by plane": deep,
    "folders of tools": with_tools,
    "test without masks": with_test,
}


def expected(name, i):
    squares = drawn(i)
    if "border" in name:
        return bordered(i)
    if name == "void in the middle":
        return np.array([0, 255, 1], np.uint8)[three(i)]
    if (
        name.startswith(("RGB", "palette", "16 bits"))
        or name == "ids without a list"
    ):
        return three(i)
    return squares


@pytest.mark.parametrize("name", CLEAN)
def test_clean_folders_are_taken_with_the_right_labels(name, tmp_path):
    CLEAN[name](tmp_path)
    data = open_data("folder", str(tmp_path), "", "")
    report = inspect.check_data(data, crop_size=33)
    assert not report.fails, inspect.report_lines(report)
    seen = 0
    for part in (data.labelled, data.val):
        for k in range(len(part)):
            i = int(part.name(k).split("/")[-1].split(".")[0])
            np.testing.assert_array_equal(part[k].mask, expected(name, i))
            seen += 1
    assert seen == 6


# Spoilt ones: a clean folder of ids, then one thing.


def save(path, image, **how):
    image.save(path, **how)


def jpeg(values):
    file = io.BytesIO()
    grey(values).save(file, "JPEG")
    return Image.open(file)


def soft(values):
    small = grey(values).resize((24, 20), Image.BILINEAR)
    return small.resize((48, 40), Image.BILINEAR)


def stray(i):
    values = drawn(i) * np.uint8(255)
    values[39, :3] = 1 if i == 2 else 0
    return grey(values)


def beyond(i):
    ids = three(i)
    ids[0, :9] = 3
    return palette(ids, [*RGB3.values(), *[(0, 0, 0)] * 200])


def plain(root):
    return folder(root, lambda i: grey(drawn(i)), RED)


def after(change):
    def spoil(root):
        change(plain(root))

    return spoil


def copied(root):
    own.make(root / "val", 1, 1)
    shutil.copy(root / "images/2.jpg", root / "val/images/9.jpg")
    shutil.copy(root / "masks/2.png", root / "val/masks/9.png")


def five_bands(root):
    (root / "images/1.jpg").unlink()
    values = np.zeros((40, 48, 5), np.uint8)
    (root / "images/1.tif").write_bytes(tiff(values, 2, extra=(0, 0)))


def cut(path):
    return lambda root: os.truncate(root / path, 300)


SPOILT = {
    "stray pixels": (made(stray, BLACK_WHITE), "2.png"),
    "two tools": (
        made(lambda i: (grey if i % 2 else white)(drawn(i)), RED),
        "0.png",
    ),
    "white, but red is listed": (made(lambda i: white(drawn(i)), RED), "0.png"),
    "white, but void is listed": (
        made(lambda i: white(drawn(i)), VOID),
        "0.png",
    ),
    "white without a list": (made(lambda i: white(drawn(i)), None), "0, "),
    "smoothed": (
        made(lambda i: soft(drawn(i) * np.uint8(255)), BLACK_WHITE),
        "0.png",
    ),
    "through JPEG": (
        made(lambda i: jpeg(drawn(i) * np.uint8(255)), BLACK_WHITE),
        "0.png",
    ),
    "an id beyond the list": (made(beyond, RGB3), "0.png"),
    "palettes that differ": (
        made(
            lambda i: palette(
                drawn(i), [(0, 0, 0), [(9, 0, 0), (0, 9, 0)][i % 2]]
            ),
            None,
        ),
        "1.png",
    ),
    "colours of another list": (
        made(lambda i: own.rgb(three(i), RGB3), RED),
        "0.png",
    ),
    "transparent": (
        made(lambda i: own.rgb(drawn(i), RED).convert("RGBA"), RED),
        "3.png",
    ),
    "one class": (made(lambda i: grey(drawn(i) * 0), RED), "0.png"),
    "val copied from training": (after(copied), "9.jpg"),
    "another size": (
        after(
            lambda root: save(root / "masks/1.png", grey(drawn(1)[:20, :20]))
        ),
        "1.png",
    ),
    "a mask without image": (
        after(lambda root: save(root / "masks/9.png", grey(drawn(1)))),
        "9;",
    ),
    "a mask as JPEG": (
        after(lambda root: save(root / "masks/7.jpg", grey(drawn(1)))),
        "7.jpg",
    ),
    "a mask as GIF": (
        after(lambda root: save(root / "masks/7.gif", grey(drawn(1)))),
        "7.gif",
    ),
    "five bands": (after(five_bands), "1.tif"),
    "a cut image": (after(cut("images/1.jpg")), "1.jpg"),
    "a cut mask": (after(cut("masks/1.png")), "1.png"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_folders_are_refused_with_the_file(name, tmp_path):
    spoil, file = SPOILT[name]
    spoil(tmp_path)
    if name == "transparent":
        image = np.array(Image.open(tmp_path / "masks/3.png"))
        image[0, 0, 3] = 0
        Image.fromarray(image).save(tmp_path / "masks/3.png")
    if name == "a cut mask":
        path = tmp_path / "masks/1.png"
        path.write_bytes(path.read_bytes()[:60])
    try:
        data = open_data("folder", str(tmp_path), "", "")
    except (ValueError, FileNotFoundError) as error:
        assert file in str(error) and "\n" not in str(error)
        return
    report = inspect.check_data(data, crop_size=33)
    assert report.fails
    assert any(file in line for line in inspect.report_lines(report))


def test_there_are_twenty_of_each():
    assert len(CLEAN) == len(SPOILT) == 20
