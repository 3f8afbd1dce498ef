"""SegmentationClassAug from SBD's archive and VOC's own masks."""

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.datasets import voc
from ipixmatch_jax.data.downloads import sbd_masks
from ipixmatch_jax.data.prepare import __main__ as prepare_main
from ipixmatch_jax.data.prepare.pack import pack_data_set
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.splits import own_lists
from tests.data.prepare import downloads


def ids(first):
    """A mask of VOC's classes, uint8 [6, 8]."""
    return (first + np.arange(48).reshape(6, 8)) % 21


BORDER = np.where(ids(2) % 5 == 0, 255, ids(2))
OWN = {"own": ids(1), "both": BORDER, "val": ids(3)}
SBD = {"both": ids(4), "sbd": ids(5), "val": ids(6), "sbd2": ids(7)}
IMAGES = ("both", "own", "sbd", "sbd2", "val", "without")
AUG = ("both", "own", "sbd", "sbd2")  # Of train; val keeps VOC's own.


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(voc, "TRAIN_AUG", len(AUG))
    downloads.voc(tmp_path / "voc", OWN, ["val"], IMAGES)
    downloads.sbd(tmp_path / "voc", SBD)
    return tmp_path / "voc"


def check_masks(root, names=AUG):
    for name, right in (("both", BORDER), ("own", ids(1)), ("sbd", ids(5))):
        path = root / f"VOCdevkit/VOC2012/SegmentationClassAug/{name}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), right)
    found = (root / "VOCdevkit/VOC2012/SegmentationClassAug").iterdir()
    assert sorted(path.stem for path in found) == sorted(names)


def test_the_published_count_is_10582():
    assert voc.TRAIN_AUG == 10582
    assert voc.KIND.download.images == {"train": 10582, "val": 1449}


def test_both_archives_become_the_masks_and_the_list(source, capsys, tmp_path):
    prepare_main.main(["voc", "--source", str(source)])
    assert "train: 4 of 10582 images\nval: 1 of 1449" in capsys.readouterr().out
    check_masks(source)
    train, val, _ = own_lists.read_own_lists(source)
    assert [image for image, _ in train] == [f"JPEGImages/{n}.jpg" for n in AUG]
    assert val == [("JPEGImages/val.jpg", "SegmentationClass/val.png")]
    lists = tmp_path / "lists"
    (lists / "1_2").mkdir(parents=True)
    line = "JPEGImages/{0}.jpg SegmentationClass/{0}.png\n"
    labelled = "".join(line.format(n) for n in ("sbd", "both"))
    (lists / "1_2/labeled.txt").write_text(labelled)
    (lists / "1_2/unlabeled.txt").write_text(line.format("without"))
    (lists / "val.txt").write_text(line.format("val"))
    data = open_data("voc", str(source), str(lists), "1_2")
    np.testing.assert_array_equal(data.labelled[0].mask, ids(5))
    np.testing.assert_array_equal(data.labelled[1].mask, BORDER)
    np.testing.assert_array_equal(data.val[0].mask, ids(3))


def test_it_goes_on_where_it_was_stopped(source, monkeypatch):
    read, seen = sbd_masks.read_sbd_mask, []

    def stop(path):
        seen.append(path.stem)
        if seen == ["sbd", "sbd2"]:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(sbd_masks, "read_sbd_mask", stop)
    with pytest.raises(SystemExit):
        prepare_main.main(["voc", "--source", str(source)])
    check_masks(source, AUG[:3])
    assert not list(source.rglob("trainaug.txt"))
    prepare_main.main(["voc", "--source", str(source)])
    check_masks(source)
    assert seen == ["sbd", "sbd2", "sbd2"]


def test_it_is_packed_from_both_archives(source, tmp_path):
    target, counts = pack_data_set("voc", source, tmp_path / "out")
    assert counts == {"train": 4, "val": 1}
    assert len(list(source.iterdir())) == 2 and target.is_dir()


def test_another_number_of_masks_is_refused_before_any_is_written(
    source, monkeypatch, capsys
):
    monkeypatch.setattr(voc, "TRAIN_AUG", 5)
    with pytest.raises(SystemExit):
        prepare_main.main(["voc", "--source", str(source)])
    said = " ".join(capsys.readouterr().err.split())
    assert "masks of 4 images" in said and "5 are known" in said
    assert not list(source.rglob("SegmentationClassAug"))


def test_without_sbd_only_vocs_own_masks_are_there(source, capsys):
    (source / "benchmark.tgz").unlink()
    prepare_main.main(["voc", "--source", str(source)])
    said = capsys.readouterr().out
    assert "train: 2 of 10582 images" in said
    assert (
        "There is no SegmentationClassAug" in said and "benchmark.tgz" in said
    )


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"x" * 200])
def test_a_file_that_is_not_sbds_is_refused_by_name(tmp_path, content):
    path = tmp_path / "2008_000002.mat"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"2008_000002.mat is not a mask of SBD"
    ):
        sbd_masks.read_sbd_mask(path)


def test_a_missing_augmented_mask_says_which_command_makes_it(source, tmp_path):
    (source / "benchmark.tgz").unlink()
    prepare_main.main(["voc", "--source", str(source)])
    lists = tmp_path / "lists"
    (lists / "1_2").mkdir(parents=True)
    line = "JPEGImages/sbd.jpg SegmentationClass/sbd.png\n"
    for name in ("1_2/labeled.txt", "1_2/unlabeled.txt", "val.txt"):
        (lists / name).write_text(line)
    with pytest.raises(
        FileNotFoundError,
        match=r"1 files .*Class/sbd.png; to have them, .*data.prepare voc",
    ):
        open_data("voc", str(source), str(lists), "1_2")


def test_sbd_without_voc_says_what_to_download(source, capsys):
    (source / "VOCtrainval_11-May-2012.tar").unlink()
    with pytest.raises(SystemExit):
        prepare_main.main(["voc", "--source", str(source)])
    said = " ".join(capsys.readouterr().err.split())
    assert "val.txt: download VOCtrainval_11-May-2012.tar" in said
