"""A user's folder: what is found in it, and the answer to each fault."""

import json
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.hold_out import HoldOut, hold_out
from ipixmatch_jax.data.registry import open_data
from tests.data import own_folder as own


def opened(root, splits_dir="", split="", holdout=0.2):
    return open_data("folder", str(root), splits_dir, split, holdout=holdout)


def names(source):
    return [source.name(i) for i in range(len(source))]


def masks(data):
    """{file number: mask array} of the labelled part and val."""
    return {
        int(source.name(i).split("/")[-1].split(".")[0]): np.asarray(
            source[i].mask
        )
        for source in (data.labelled, data.val)
        for i in range(len(source))
    }


def refused(root, *words, **fields):
    """The message of the refusal, which must contain every word."""
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        opened(root, **fields)
    for word in words:
        assert word in str(error.value), (word, str(error.value))
    assert "\n" not in str(error.value)
    return str(error.value)


VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
DRAWN = {
    "ids": Image.fromarray,
    "RGB": own.rgb,
    "RGBA": lambda mask: own.rgb(mask).convert("RGBA"),
    "palette of ids": lambda mask: own.indexed(mask, VOC),
    # The same colours in another order: colours decide, not palette positions.
    "palette of colours": lambda mask: own.indexed(
        np.asarray([2, 0, 1], np.uint8)[mask],
        [own.CLASSES[n] for n in ("crack", "leaf", "ground")],
    ),
    "16 bit": lambda mask: Image.fromarray(mask.astype(np.uint16)),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_every_kind_of_mask_gives_the_same_ids(kind, tmp_path):
    own.make(tmp_path, draw=DRAWN[kind], classes=own.CLASSES)
    data = opened(tmp_path)
    assert data.class_names == ("ground", "crack", "leaf")
    assert data.palette == ((10, 20, 30), (200, 0, 0), (0, 90, 7))
    found = masks(data)
    assert sorted(found) == [0, 1, 2, 3, 4]
    for i, mask in found.items():
        np.testing.assert_array_equal(mask, own.ids(i))


def test_black_and_white_masks_are_colours_if_the_list_says_so(tmp_path):
    classes = {"background": [0, 0, 0], "crack": [255, 255, 255]}
    draw = lambda mask: Image.fromarray((mask > 0).astype(np.uint8) * 255)  # noqa: E731
    own.make(tmp_path, draw=draw, classes=classes)
    for i, mask in masks(opened(tmp_path)).items():
        np.testing.assert_array_equal(mask, own.ids(i) > 0)


def test_black_and_white_without_a_list_asks_for_one(tmp_path):
    draw = lambda mask: Image.fromarray((mask > 0).astype(np.uint8) * 255)  # noqa: E731
    own.make(tmp_path, draw=draw)
    said = refused(tmp_path, "the values 0 beside 255", "classes.json")
    written = json.loads(re.search(r"\{.*\}", said)[0])
    (tmp_path / "classes.json").write_text(json.dumps(written))
    assert len(opened(tmp_path).class_names) == 2  # following the message works


def test_void_is_left_out_and_later_ids_move_up(tmp_path):
    classes = {"Void": [0, 0, 0], "sky": [1, 1, 200], "tree": [0, 90, 7]}
    own.make(tmp_path / "colours", draw=lambda m: own.rgb(m, classes))
    own.make(tmp_path / "ids")
    for root in (tmp_path / "colours", tmp_path / "ids"):
        (root / "classes.json").write_text(json.dumps(classes))
        data = opened(root)
        assert data.class_names == ("sky", "tree")
        for i, mask in masks(data).items():
            expected = np.asarray([255, 0, 1])[own.ids(i)]
            np.testing.assert_array_equal(mask, expected)


def test_ids_and_palettes_need_no_list(tmp_path):
    own.make(tmp_path / "ids")
    data = opened(tmp_path / "ids")
    assert data.class_names == ("class 0", "class 1", "class 2")
    colours = [(9, 9, 9), (1, 2, 3), (4, 5, 6)]
    own.make(tmp_path / "p", draw=lambda mask: own.indexed(mask, colours))
    assert opened(tmp_path / "p").palette == tuple(colours)


def test_images_with_masks_are_labelled_and_others_unlabelled(tmp_path):
    own.make(tmp_path, images=30, masks=10)
    data = opened(tmp_path)
    assert [len(s) for s in data[:3]] == [8, 20, 2]
    assert data.test is None
    parts = [set(names(s)) for s in data[:3]]
    assert parts[1] == {f"images/{i}.jpg" for i in range(10, 30)}
    assert not parts[0] & parts[2]
    assert data.unlabelled[0].mask is None


def test_the_hold_out_hardly_moves_when_masks_are_added(tmp_path):
    own.make(tmp_path, images=40, masks=20)
    before = set(names(opened(tmp_path).val))
    assert names(opened(tmp_path).val) == sorted(before)
    for i in range(20, 25):
        own.save(tmp_path / f"masks/{i}.png", Image.fromarray(own.ids(i)))
    after = set(names(opened(tmp_path).val))
    new = {f"images/{i}.jpg" for i in range(20, 25)}
    assert len(before) == 4 and len(after) == 5
    # Only an added image can replace one.
    assert len(before - after) < len(after & new) + 1


@pytest.mark.parametrize(
    ("count", "share", "held"),
    [(2, 0.2, 1), (2, 0.9, 1), (5, 0.5, 3), (40, 0.2, 8), (6, 0.2, 1)],
)
def test_the_size_of_the_hold_out(count, share, held):
    entries = [(f"images/{i}.png", f"masks/{i}.png") for i in range(count)]
    rest, val = hold_out(entries, HoldOut(share), "DIR")
    assert len(val) == held and len(rest) == count - held
    assert sorted(rest + val) == sorted(entries)


def test_val_and_test_of_their_own_folders(tmp_path):
    own.make(tmp_path, images=6, masks=3)
    own.make(tmp_path / "val", images=2, masks=2)
    own.make(tmp_path / "test", images=1, masks=1)
    data = opened(tmp_path)
    assert [len(s) for s in data[:4]] == [3, 3, 2, 1]
    assert names(data.val) == ["val/images/0.jpg", "val/images/1.jpg"]
    np.testing.assert_array_equal(data.val[1].mask, own.ids(1))
    own.save(tmp_path / "val/images/7.png", own.photograph(7))
    refused(tmp_path, "val holds 1 image without a mask", "images/7.png")


def test_lists_say_which_images_are_which(tmp_path):
    own.make(tmp_path, images=8, masks=5)
    lists = tmp_path / "lists"
    lists.mkdir()
    lines = [f"images/{i}.jpg masks/{i}.png\n" for i in range(5)]
    (lists / "labeled.txt").write_text("".join(lines[:2]))
    (lists / "val.txt").write_text("".join(lines[2:4]))
    data = opened(tmp_path, splits_dir=str(lists))
    assert names(data.val) == ["images/2.jpg", "images/3.jpg"]
    # Without a list of them, images in neither list are unlabelled.
    assert names(data.unlabelled) == [f"images/{i}.jpg" for i in (4, 5, 6, 7)]
    (lists / "unlabeled.txt").write_text("images/6.jpg\n")
    assert names(opened(tmp_path, str(lists)).unlabelled) == ["images/6.jpg"]
    refused(tmp_path, "No list at", splits_dir=str(tmp_path / "nowhere"))


def test_sub_folders_links_and_other_files(tmp_path):
    own.make(tmp_path, images=2, masks=2)
    own.save(tmp_path / "images/deep/a b.JPEG", own.photograph(9))
    own.save(tmp_path / "masks/deep/a b.png", Image.fromarray(own.ids(9)))
    (tmp_path / "images/notes.txt").write_text("x")
    (tmp_path / "images/.hidden.png").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    own.save(tmp_path / "elsewhere/z.png", own.photograph(3))
    (tmp_path / "images/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images/round").symlink_to(tmp_path / "images")
    data = opened(tmp_path)
    assert names(data.unlabelled) == ["images/linked/z.png"]
    assert "images/deep/a b.JPEG" in names(data.labelled) + names(data.val)


def test_an_image_is_turned_as_viewers_turn_it(tmp_path):
    own.make(tmp_path, images=3, masks=3)
    image = own.photograph(0, size=(40, 48))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn: 48 wide
    image.save(tmp_path / "images/0.jpg", exif=exif)
    data = opened(tmp_path)
    for source in (data.labelled, data.val):
        for i in range(len(source)):
            assert source[i].image.size == source[i].mask.size == (48, 40)
            assert source.size(i) == (40, 48)


def test_the_source_pickles_and_reads_masks_alone(tmp_path):
    data = opened(own.make(tmp_path, draw=own.rgb, classes=own.CLASSES))
    again = pickle.loads(pickle.dumps(data.labelled))
    assert again[1].mask.tobytes() == data.labelled[1].mask.tobytes()
    assert again.mask(1).tobytes() == data.labelled[1].mask.tobytes()


# Faults.


def test_masks_as_jpeg(tmp_path):
    own.make(tmp_path, masks=2)
    own.save(tmp_path / "masks/5.jpg", Image.fromarray(own.ids(5)))
    refused(tmp_path, "masks/5.jpg", "JPEG", "Export the masks as PNG")


def test_masks_as_jpeg_that_are_called_png(tmp_path):
    own.make(tmp_path, masks=0)
    for i in range(3):
        path = tmp_path / f"masks/{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(own.ids(i)).save(path, format="JPEG")
    refused(tmp_path, "masks/0.png", "JPEG", "save masks as PNG")


def test_mask_names_that_differ(tmp_path):
    own.make(tmp_path, images=4, masks=1)
    for i in (2, 3):
        path = tmp_path / f"masks/{i}_mask.png"
        own.save(path, Image.fromarray(own.ids(i)))
    said = refused(tmp_path, "2 of the 3 masks", "2_mask, 3_mask")
    assert "without '_mask' at the end of the name, 2 of them" in said


def test_two_images_of_one_name(tmp_path):
    own.make(tmp_path)
    own.save(tmp_path / "images/3.png", own.photograph(3))
    refused(tmp_path, "images/3.jpg", "images/3.png", "another name")


def test_rgb_masks_without_a_list_give_one_to_start_from(tmp_path):
    own.make(tmp_path, draw=own.rgb)
    said = refused(tmp_path, "masks/0.png", "RGB colours", "classes.json")
    draft = json.loads(re.search(r"\{.*\}", said)[0])
    assert sorted(draft.values()) == sorted(own.CLASSES.values())
    (tmp_path / "classes.json").write_text(json.dumps(draft))
    assert len(opened(tmp_path).class_names) == 3


def test_an_unlisted_colour_is_named_with_its_file_and_pixels(tmp_path):
    own.make(tmp_path, draw=own.rgb, classes=own.CLASSES)
    mask = np.asarray(own.rgb(own.ids(2))).copy()
    mask[5, :7] = (1, 2, 3)
    mask[6, :2] = (3, 2, 1)
    own.save(tmp_path / "masks/2.png", Image.fromarray(mask))
    refused(tmp_path, "masks/2.png has 7 pixels of the colour [1, 2, 3]")
    refused(tmp_path, "and 1 more", "classes.json", '"void"')


def test_a_palette_of_colours_with_one_unlisted(tmp_path):
    own.make(tmp_path, draw=DRAWN["palette of colours"], classes=own.CLASSES)
    palette = [*(own.CLASSES[n] for n in ("crack", "leaf", "ground"))]
    mask = own.indexed(own.ids(1, 4), [*palette, (7, 7, 7)])
    own.save(tmp_path / "masks/1.png", mask)
    refused(tmp_path, "masks/1.png", "[7, 7, 7] at index 3", "colours would")


def test_ids_beyond_the_classes(tmp_path):
    classes = {k: own.CLASSES[k] for k in ("ground", "crack")}
    own.make(tmp_path, classes=classes)
    count = int((own.ids(0) == 2).sum())
    refused(tmp_path, f"masks/0.png (and 4 more masks) has {count} pixels")
    refused(tmp_path, "of the id 2", "the ids are 0 to 1, and 255")


def test_a_photograph_as_mask(tmp_path):
    own.make(tmp_path, masks=2, classes=own.CLASSES, draw=own.rgb)
    own.save(tmp_path / "images/x.png", own.photograph(1, (90, 90)))
    own.save(tmp_path / "masks/x.png", own.photograph(1, (90, 90)))
    data = opened(tmp_path)  # the fault is found when the file is loaded
    source = data.val if "images/x.png" in names(data.val) else data.labelled
    with pytest.raises(ValueError, match=r"x.png has more than 4096 colours"):
        source.mask(names(source).index("images/x.png"))


def test_a_mask_of_another_size(tmp_path):
    own.make(tmp_path, masks=3)
    for i in range(3):
        own.save(tmp_path / f"images/{i}.jpg", own.photograph(i, (50, 40)))
    with pytest.raises(ValueError, match=r"0.png is 48x40 .* image is 50x40"):
        masks(opened(tmp_path))


@pytest.mark.parametrize(
    ("images", "count", "words"),
    [
        (0, 0, "no folder images/"),
        (3, 0, "no folder masks/"),
        (3, 1, "1 labelled image, and one more"),
    ],
)
def test_too_few_masks_or_images_are_refused(images, count, words, tmp_path):
    refused(own.make(tmp_path, images, count), words)


def test_an_empty_folder_of_masks(tmp_path):
    own.make(tmp_path, masks=0)
    (tmp_path / "masks").mkdir()
    refused(tmp_path, "masks holds no masks", "at least two")


def test_an_impossible_share_is_refused(tmp_path):
    refused(own.make(tmp_path), "data.holdout=1.5", holdout=1.5)


def test_a_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "gone", "gone", "docs/own_data.md", "--config.data.root")
