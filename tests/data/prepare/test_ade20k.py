"""ADE20K from the benchmark's archive: ids, refusals and packing."""

import numpy as np
import pytest

from ipixmatch_jax.data.datasets import ade20k
from ipixmatch_jax.data.prepare import __main__ as prepare_main
from ipixmatch_jax.data.prepare.pack import pack_data_set
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.splits import draw
from tests.data.prepare import downloads

ALL_IDS = np.arange(154).reshape(11, 14) % 151


@pytest.fixture
def root(tmp_path):
    masks = [np.full((6, 8), 3), ALL_IDS, np.zeros((5, 7)), ALL_IDS.T]
    downloads.ade20k(tmp_path / "ade", masks)
    return tmp_path / "ade"


def reduced(ids):
    """The field's ids, pixel by pixel."""
    out = np.zeros(np.shape(ids), np.uint8)
    for y, x in np.ndindex(out.shape):
        out[y, x] = 255 if ids[y][x] == 0 else ids[y][x] - 1
    return out


def lists(folder, names):
    """One labelled, one unlabelled and one val image."""
    (folder / "1_2").mkdir(parents=True)
    for path, (part, name) in zip(
        ("1_2/labeled.txt", "1_2/unlabeled.txt", "val.txt"), names, strict=True
    ):
        (folder / path).write_text(
            f"images/{part}/{name}.jpg annotations/{part}/{name}.png"
        )


NAMES = [
    ("training", "ADE_train_00000002"),
    ("training", "ADE_train_00000001"),
    ("validation", "ADE_val_00000004"),
]


def test_the_archive_becomes_a_root_whose_ids_are_reduced(
    root, tmp_path, capsys
):
    prepare_main.main(["ade20k", "--source", str(root)])
    said = capsys.readouterr().out
    assert "train: 3 of 20210 images\nval: 1 of 2000 images\n" in said
    assert f"--config.data.root={root}\n" in said
    lists(tmp_path / "lists", NAMES)
    data = open_data("ade20k", str(root), str(tmp_path / "lists"), "1_2")
    np.testing.assert_array_equal(data.labelled[0].mask, reduced(ALL_IDS))
    np.testing.assert_array_equal(data.val.mask(0), reduced(ALL_IDS.T))
    assert data.unlabelled[0].mask is None
    assert data.unlabelled.name(0) == "images/training/ADE_train_00000001.jpg"
    assert data.labelled.size(0) == (11, 14)
    assert len(data.class_names) == len(set(data.class_names)) == 150
    assert data.class_names[::149] == ("wall", "flag")
    assert len(set(data.palette)) == 150


def test_lists_are_drawn_from_its_own_training_images(root, tmp_path):
    prepare_main.main(["ade20k", "--source", str(root)])
    share = draw.fractions.Fraction(1, 3)
    assert draw.draw_splits(root, share, 0, tmp_path / "lists") == (1, 2)
    data = open_data("ade20k", str(root), str(tmp_path / "lists"), "1_3")
    assert (len(data.labelled), len(data.val)) == (1, 1)


def test_masks_that_were_reduced_before_are_refused(root, tmp_path):
    prepare_main.main(["ade20k", "--source", str(root)])
    lists(tmp_path / "lists", NAMES)
    path = root / "ADEChallengeData2016/annotations/training"
    path /= "ADE_train_00000002.png"
    path.write_bytes(downloads.png(reduced(ALL_IDS)))
    with pytest.raises(ValueError, match=r"holds 255, .*UniMatch V2.*prepare"):
        open_data("ade20k", str(root), str(tmp_path / "lists"), "1_2")
    with pytest.raises(ValueError, match=r"holds 255"):
        ade20k.open_contents(root)


def test_an_id_above_150_is_refused(root, tmp_path):
    prepare_main.main(["ade20k", "--source", str(root)])
    lists(tmp_path / "lists", NAMES)
    data = open_data("ade20k", str(root), str(tmp_path / "lists"), "1_2")
    path = root / "ADEChallengeData2016/annotations/training"
    path /= "ADE_train_00000002.png"
    path.write_bytes(downloads.png(ALL_IDS + 1))
    with pytest.raises(ValueError, match=r"the id 151; the ids are 0 to 150\."):
        data.labelled[0]


def test_it_is_packed_from_its_archive(root, tmp_path):
    target, counts = pack_data_set("ade20k", root, tmp_path / "out")
    assert counts == {"train": 3, "val": 1}
    assert [path.name for path in root.iterdir()] == [
        "ADEChallengeData2016.zip"
    ]
    lists(tmp_path / "lists", NAMES)
    data = open_data("ade20k", str(target), str(tmp_path / "lists"), "1_2")
    np.testing.assert_array_equal(data.labelled[0].mask, reduced(ALL_IDS))
    assert data.class_names == ade20k.CLASS_NAMES


def test_what_is_missing_is_said_with_the_way_to_it(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ADEChallengeData2016.zip"):
        open_data("ade20k", str(tmp_path / "gone"), "", "1_2")
    lists(tmp_path / "lists", NAMES)
    with pytest.raises(
        FileNotFoundError, match=r"names 2 files .*data.prepare ade20k"
    ):
        open_data("ade20k", str(root), str(tmp_path / "lists"), "1_2")
