"""The check: what it counts, what it finds, and what it recommends."""

import pathlib
import subprocess

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.source import BadFileError
from tests import fork_server

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path):
    """A VOC-like root: 3 labelled, 4 unlabelled, 2 val images of 8x6."""
    for folder in ("JPEGImages", "SegmentationClass", "splits/1_2"):
        (tmp_path / folder).mkdir(parents=True)
    lines = []
    for i in range(9):
        image, mask = f"JPEGImages/{i}.jpg", f"SegmentationClass/{i}.png"
        Image.new("RGB", (8, 6), (20 * i, 0, 0)).save(tmp_path / image)
        ids = np.full((6, 8), i % 3, np.uint8)
        ids[0] = 255
        Image.fromarray(ids).save(tmp_path / mask)
        lines.append(f"{image} {mask}")
    write(tmp_path, lines[:3], lines[3:7], lines[7:])
    return tmp_path


def write(root, labelled, unlabelled, val):
    for name, part in (
        ("1_2/labeled.txt", labelled),
        ("1_2/unlabeled.txt", unlabelled),
        ("val.txt", val),
    ):
        (root / "splits" / name).write_text("\n".join(part))


def look(root, **how):
    data = open_data("voc", str(root), "", "1_2")
    return inspect.check_data(data, **{"crop_size": 8} | how)


def texts(report, fatal):
    return [f.text for f in report.findings if f.fatal == fatal]


def test_good_data_is_counted(root):
    done = []
    report = look(root, advance=lambda: done.append(1))
    assert len(done) == 9
    assert not report.fails
    assert set(report.bad.values()) == {()}
    facts = "\n".join(report.facts)
    assert "labelled: 3 images, 8x6 pixels" in facts
    assert "val: 2 images" in facts
    # Counted by hand: 40 pixels each of 0, 1 and 2, and 24 ignored.
    row = next(line for line in report.facts if " bicycle" in line)
    assert row.split()[4:] == ["40", "33.33%", "1", "1", "bicycle"]
    assert "Left out (255): 24 labelled pixels" in facts
    missing, other = texts(report, fatal=False)
    assert "No labelled training image shows 'bird', 'boat'" in missing
    assert "No val image shows 'background', 'bird'" in other
    assert inspect.report_lines(report)[-1] == "Nothing here stops training."


def test_every_bad_file_is_named_with_its_reason(root):
    (root / "JPEGImages/0.jpg").write_bytes(b"")
    (root / "JPEGImages/4.jpg").write_bytes(b"no image")
    Image.new("L", (6, 8)).save(root / "SegmentationClass/1.png")
    Image.new("L", (8, 6), 77).save(root / "SegmentationClass/8.png")
    report = look(root)
    (first, second), (third,), (fourth,) = report.bad.values()
    assert "0.jpg is empty" in first
    assert "1.png is 6x8 but its image is 8x6" in second
    assert "4.jpg is not a readable image" in third
    assert "8.png holds the id 77" in fourth
    labelled, val = texts(report, fatal=True)
    assert "2 of the 3 labelled images looked at cannot be used" in labelled
    assert "--config.data.on_error=skip" in labelled
    assert "1 of the 2 val images" in val and "on_error" not in val
    assert any("1 of the 4 unlabelled" in t for t in texts(report, False))
    assert (
        inspect.report_lines(report)[-1] == "Training would fail on this data."
    )
    (val,) = texts(look(root, on_error="skip"), fatal=True)
    assert "val images" in val


def test_a_part_without_a_usable_file_fails(root):
    for i in range(3, 7):
        (root / f"JPEGImages/{i}.jpg").write_bytes(b"no image")
    (found,) = texts(look(root), fatal=True)
    assert "4 of the 4 unlabelled" in found and "data.root" in found
    assert not look(root, uses_unlabelled=False).fails


def test_lists_that_overlap_or_repeat_are_reported(root):
    lines = [f"JPEGImages/{i}.jpg SegmentationClass/{i}.png" for i in range(9)]
    twice = "JPEGImages/./1.jpg SegmentationClass/1.png"
    write(root, [*lines[:3], twice], lines[2:7], lines[1:2] + lines[6:])
    report = look(root)
    assert texts(report, fatal=True) == [
        f"1 image is both in {part} and in val, so scores are of images "
        f"that training saw: take them out of one: JPEGImages/{i}.jpg."
        for part, i in (("labelled", 1), ("unlabelled", 6))
    ]
    found = "\n".join(texts(report, fatal=False))
    for sentence in (
        "The labelled list repeats 1 image, which then counts more than "
        "others: JPEGImages/1.jpg.",
        "1 image is both in labelled and in unlabelled, and is trained on "
        "in both ways: JPEGImages/2.jpg.",
    ):
        assert sentence in found


def test_copies_and_links_under_other_names_are_found(root):
    images = root / "JPEGImages"
    (images / "8.jpg").unlink()
    (images / "8.jpg").symlink_to(images / "0.jpg")
    (images / "4.jpg").write_bytes((images / "3.jpg").read_bytes())
    report = look(root)
    assert texts(report, fatal=True) == [
        "1 image is both in labelled and in val, so scores are of images "
        "that training saw: take them out of one: JPEGImages/0.jpg and "
        "JPEGImages/8.jpg."
    ]
    assert any(
        "unlabelled holds 1 pair of copies" in text
        and "JPEGImages/3.jpg and JPEGImages/4.jpg" in text
        for text in texts(report, fatal=False)
    )


def test_masks_without_labels_and_small_images_are_reported(root):
    blank = Image.new("L", (8, 6), 255)
    blank.save(root / "SegmentationClass/2.png")
    found = texts(look(root, crop_size=9), fatal=False)
    assert any("1 labelled masks hold no label at all" in t for t in found)
    assert any("7 of the training images looked at are sm" in t for t in found)
    for i in range(2):
        blank.save(root / f"SegmentationClass/{i}.png")
    assert any("nothing to learn from" in t for t in texts(look(root), True))


def test_empty_parts_say_what_to_do():
    data = open_data("shapes", "", "", "1_64")
    data = data._replace(unlabelled=shapes.Scenes(1, 0, 0, labelled=False))
    report = inspect.check_data(data, crop_size=33, sample=2)
    (found,) = texts(report, fatal=True)
    assert "no unlabelled images" in found
    assert "--config.method=supervised" in found
    assert not inspect.check_data(
        data, crop_size=33, sample=2, uses_unlabelled=False
    ).fails


class Watched(shapes.Scenes):
    """Scenes whose last one is bad."""

    seen: list

    def __getitem__(self, i):
        self.seen.append(i)
        if i == len(self) - 1:
            raise BadFileError(f"{self.name(i)} is spoilt.")
        return super().__getitem__(i)


def test_before_training_a_few_files_of_each_part_are_checked():
    data = open_data("shapes", "", "", "1_4")
    data = data._replace(unlabelled=Watched(1, 64, 192, labelled=False))
    how = {"crop_size": 33, "uses_unlabelled": True, "on_error": "stop"}
    data.unlabelled.seen = []
    inspect.check_before_training(data, **how)
    seen = data.unlabelled.seen
    assert len(seen) == inspect.SAMPLE
    assert min(seen) == 0 and max(seen) == 191
    data = data._replace(labelled=Watched(1, 0, 64, labelled=True))
    data.labelled.seen = []
    with pytest.raises(
        ValueError, match=r"1 of the 16 labelled .*0063.png is spoilt.*check"
    ):
        inspect.check_before_training(data, **how)
    inspect.check_before_training(data, **how | {"on_error": "skip"})


def test_the_check_ends_when_its_time_is_over():
    data = open_data("shapes", "", "", "1_4")
    report = inspect.check_data(data, crop_size=33, seconds=0)
    assert "labelled: 64 images, 0 of them looked at" in report.facts[0]
    assert not report.findings


def run(root, *more):
    return subprocess.run(
        [
            *(*fork_server.python(), "-m", "ipixmatch_jax.data.check"),
            *("--config", "configs/voc.py:tiny_1_8"),
            *("--config.data.split=1_2", "--config.data.splits_dir="),
            *(f"--config.data.root={root}", *more),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_reports_the_faults_and_fails(root):
    (root / "JPEGImages/0.jpg").write_bytes(b"")
    done = run(root)
    assert done.returncode == 1, done.stderr
    assert f"labelled: {root}/JPEGImages/0.jpg is empty" in done.stdout
    assert "FIX: 1 of the 3 labelled images" in done.stdout
    assert "9/9" in done.stderr  # The progress bar.
    assert run(root, "--config.data.on_error=skip").returncode == 0
    (root / "splits/val.txt").write_text("/etc/passwd")
    done = run(root)
    assert done.returncode == 1
    assert "val.txt, line 1: /etc/passwd leads out of" in done.stderr
    assert "Traceback" not in done.stderr
