import pickle

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.datasets import cityscapes, voc
from ipixmatch_jax.data.files.file_source import FileSource
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.splits import draw


def _image(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 20, 30)).save(path)


def _mask(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(ids, np.uint8)).save(path)


def _lists(folder, labelled, unlabelled, val):
    (folder / "1_2").mkdir(parents=True)
    (folder / "1_2/labeled.txt").write_text(labelled)
    (folder / "1_2/unlabeled.txt").write_text(unlabelled)
    (folder / "val.txt").write_text(val)


def test_camvid_sets_sizes_and_void(camvid):
    data = open_data("camvid", str(camvid), "", "1_8")
    sets = data.labelled, data.unlabelled, data.val, data.test
    assert [len(source) for source in sets] == [46, 321, 101, 233]
    assert len(data.class_names) == len(data.palette) == 11
    assert data.labelled.name(0) == "train/0001TP_006720.jpg"
    assert data.labelled.size(0) == (360, 480)
    image, mask = data.labelled[0]
    assert (image.mode, mask.mode) == ("RGB", "L")
    assert image.size == mask.size == (480, 360)
    stored = np.asarray(Image.open(camvid / "trainannot/0001TP_006720.png"))
    ids = np.asarray(mask)
    np.testing.assert_array_equal(ids == 255, stored == 11)
    np.testing.assert_array_equal(ids[stored < 11], stored[stored < 11])
    assert data.unlabelled[0].mask is None


def test_camvid_pixels_per_class_of_one_set(camvid):
    data = open_data("camvid", str(camvid), "", "1_32")
    counts = np.zeros(256, int)
    for i in range(len(data.val)):
        counts += np.bincount(
            np.asarray(data.val[i].mask).ravel(), minlength=256
        )
    # From classes.json beside the data, which others computed from the files.
    assert counts[0] == 1601620
    assert counts[10] == 387010
    assert counts[255] == 297271


@pytest.mark.parametrize("parents", [0, 2])
def test_voc_palette_masks_give_ids(voc_mini, tmp_path, parents):
    root = voc_mini if parents == 0 else voc_mini.parents[parents - 1]
    draw.draw_splits(root, draw.fractions.Fraction(1, 4), 0, tmp_path)
    data = open_data("voc", str(root), str(tmp_path), "1_4")
    assert [len(data.labelled), len(data.unlabelled)] == [5, 15]
    assert len(data.val) == 12 and data.test is None
    for i in range(5):
        image, mask = data.labelled[i]
        assert data.labelled.size(i) == (image.height, image.width)
        ids = set(np.unique(np.asarray(mask)).tolist())
        assert {0, 255} < ids <= {*range(21), 255}
    assert data.palette[15] == (192, 128, 128)  # Person, in VOC's colours.


def test_voc_takes_a_mask_from_the_folder_that_holds_it(tmp_path):
    for name in "abc":
        _image(tmp_path / f"JPEGImages/{name}.jpg")
    _mask(tmp_path / "SegmentationClass/a.png", np.full((6, 8), 1))
    _mask(tmp_path / "SegmentationClassAug/b.png", np.full((6, 8), 2))
    _lists(
        tmp_path / "splits",
        "JPEGImages/a.jpg SegmentationClassAug/a.png\n"
        "JPEGImages/b.jpg SegmentationClass/b.png",
        "JPEGImages/c.jpg SegmentationClass/nowhere.png",
        "JPEGImages/b.jpg SegmentationClassAug/b.png\n",
    )
    data = open_data("voc", str(tmp_path), "", "1_2")
    first = [np.asarray(data.labelled[i].mask)[0, 0] for i in (0, 1)]
    assert first == [1, 2]
    assert data.unlabelled[0].mask is None


def test_voc_masks_hold_the_ids_of_their_palette(tmp_path):
    """Indexed in VOC's colours, 255 along the borders: the ids, by hand."""
    ids = np.full((6, 8), 255, np.uint8)
    ids[1:4, 1:8] = np.arange(21).reshape(3, 7)
    mask = Image.fromarray(ids)
    flat = [value for k in range(256) for value in voc.voc_colour(k)]
    mask.putpalette(flat)
    (tmp_path / "SegmentationClass").mkdir()
    mask.save(tmp_path / "SegmentationClass/a.png")
    _image(tmp_path / "JPEGImages/a.jpg")
    line = "JPEGImages/a.jpg SegmentationClass/a.png\n"
    _lists(tmp_path / "splits", line, line, line)
    data = open_data("voc", str(tmp_path), "", "1_2")
    np.testing.assert_array_equal(data.labelled[0].mask, ids)
    np.testing.assert_array_equal(data.val.mask(0), ids)


def test_camvid_masks_of_a_padded_palette_keep_their_ids(tmp_path):
    """Eleven classes and void, in a palette that is black after them."""
    ids = np.arange(48, dtype=np.uint8).reshape(6, 8) % 12
    mask = Image.fromarray(ids)
    mask.putpalette([9, 9, 9] * 12 + [0, 0, 0] * 244)
    (tmp_path / "annot").mkdir()
    mask.save(tmp_path / "annot/a.png")
    _image(tmp_path / "a.png")
    line = "a.png annot/a.png\n"
    _lists(tmp_path / "splits", line, line, line)
    data = open_data("camvid", str(tmp_path), "", "1_2")
    right = np.where(ids == 11, 255, ids)
    np.testing.assert_array_equal(data.labelled[0].mask, right)


def test_voc_palette_is_the_published_one():
    assert voc.PALETTE[:4] == (
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
    )
    assert voc.PALETTE[20] == (0, 64, 128)


def test_cityscapes_train_ids_or_mapped_label_ids(tmp_path):
    lines = []
    for i, ending in enumerate(("labelTrainIds", "labelIds")):
        image = f"leftImg8bit/train/ulm/ulm_{i}_leftImg8bit.png"
        _image(tmp_path / image)
        stem = f"gtFine/train/ulm/ulm_{i}_gtFine_"
        _mask(
            tmp_path / f"{stem}{ending}.png",
            np.arange(48).reshape(6, 8) if i else np.full((6, 8), 18),
        )
        lines.append(f"{image} {stem}labelTrainIds.png\n")
    _lists(tmp_path / "splits", "".join(lines), lines[0], lines[0])
    data = open_data("cityscapes", str(tmp_path), "", "1_2")
    assert (np.asarray(data.labelled[0].mask) == 18).all()
    mapped = np.asarray(data.labelled[1].mask).ravel()
    # road 7 -> 0, person 24 -> 11, bicycle 33 -> 18, void 0 -> nothing.
    assert mapped[[7, 24, 33, 0, 9, 34]].tolist() == [0, 11, 18, 255, 255, 255]
    assert sorted(mapped[mapped < 255].tolist()) == list(range(19))
    assert len(cityscapes.CLASS_NAMES) == len(cityscapes.PALETTE) == 19


def test_sources_pickle(camvid):
    for data in (
        open_data("camvid", str(camvid), "", "1_32"),
        open_data("shapes", "", "", "1_16"),
    ):
        again = pickle.loads(pickle.dumps(data.labelled))
        assert again[3].image.tobytes() == data.labelled[3].image.tobytes()
        assert again.name(3) == data.labelled.name(3)


def test_unknown_names_list_the_right_ones():
    with pytest.raises(
        ValueError, match="voc, cityscapes, ade20k, coco, camvid"
    ):
        open_data("vocc", "", "", "1_8")
    with pytest.raises(ValueError, match="1_2, 1_4, 1_8, 1_16"):
        open_data("shapes", "", "", "92")


@pytest.mark.parametrize("name", ["voc", "cityscapes", "camvid"])
def test_a_missing_root_or_list_says_where_to_get_it(name, tmp_path):
    gone = tmp_path / "gone"
    with pytest.raises(FileNotFoundError, match=rf"{gone}.*(http|clone)"):
        open_data(name, str(gone), "", "1_8")
    with pytest.raises(FileNotFoundError, match=r"labeled.txt.*splits make"):
        open_data(name, str(tmp_path), "", "1_8")


def test_missing_files_are_refused_with_three_names_and_the_count(tmp_path):
    _image(tmp_path / "JPEGImages/a.jpg")
    _mask(tmp_path / "SegmentationClass/a.png", np.zeros((6, 8)))
    good = "JPEGImages/a.jpg SegmentationClass/a.png\n"
    bad = "".join(f"JPEGImages/x{i}.jpg None\n" for i in range(5))
    _lists(tmp_path / "splits", good, good + bad, good)
    names = (
        r"5 files .* JPEGImages/x0.jpg, JPEGImages/x1.jpg, \S+x2.jpg, \.\.\."
    )
    with pytest.raises(FileNotFoundError, match=names):
        open_data("voc", str(tmp_path), "", "1_2")


def test_a_labelled_line_without_mask_is_refused(tmp_path):
    _image(tmp_path / "JPEGImages/a.jpg")
    line = "JPEGImages/a.jpg None\n"
    _lists(tmp_path / "splits", line, line, line)
    with pytest.raises(ValueError, match=r"a.jpg is labelled but has no mask"):
        open_data("voc", str(tmp_path), "", "1_2")


def test_bad_masks_are_refused_by_name(tmp_path):
    _image(tmp_path / "a.png")
    source = FileSource(tmp_path, [("a.png", "m.png")], 5)
    _mask(tmp_path / "m.png", np.zeros((8, 6)))
    with pytest.raises(ValueError, match=r"m.png is 6x8 .* 8x6"):
        source[0]
    _mask(tmp_path / "m.png", np.full((6, 8), 5))
    with pytest.raises(ValueError, match=r"m.png holds the id 5"):
        source[0]
    _mask(tmp_path / "m.png", np.full((6, 8), 255))
    assert np.asarray(source[0].mask).min() == 255
    _mask(tmp_path / "m.png", np.zeros((6, 8, 3)))
    with pytest.raises(ValueError, match=r"m.png holds RGB colours"):
        source[0]


def test_broken_images_are_refused_by_name(tmp_path):
    _image(tmp_path / "a.png", (64, 64))
    whole = (tmp_path / "a.png").read_bytes()
    source = FileSource(tmp_path, [("a.png", None)], 5)
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a.png"):
        source[0]
    (tmp_path / "a.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"a.png is not a readable image"):
        source[0]
