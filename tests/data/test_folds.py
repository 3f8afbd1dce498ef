"""The labelled images are split into folds, of which val gets one."""

import hashlib
import shutil

import pytest

from ipixmatch_jax.configs import camvid as camvid_config
from ipixmatch_jax.configs import folder as folder_config
from ipixmatch_jax.data.hold_out import HoldOut, hold_out
from ipixmatch_jax.data.prepare.pack import pack_data_set
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.experiment.resume import check_resume
from ipixmatch_jax.experiment.validate import check_config
from tests.data import own_folder as own
from tests.data.folder_helpers import LINES, lists, names


def opened(root, folds, fold):
    return open_data("folder", str(root), "", "", folds=folds, fold=fold)


def entries(count):
    return [(f"images/{i}.jpg", f"masks/{i}.png") for i in range(count)]


@pytest.mark.parametrize(("count", "folds"), [(25, 5), (7, 3), (4, 4)])
def test_each_image_scores_once_and_the_folds_are_of_equal_size(count, folds):
    every = entries(count)
    pairs = [hold_out(every, HoldOut(0.2, folds, k), "") for k in range(folds)]
    held = [entry for _, some in pairs for entry in some]
    assert sorted(held) == sorted(every)
    sizes = [len(some) for _, some in pairs]
    assert max(sizes) - min(sizes) <= 1
    for train, some in pairs:
        assert sorted([*train, *some]) == sorted(every)


def test_the_order_is_that_of_the_hold_out():
    every = entries(10)
    order = sorted(
        every, key=lambda e: hashlib.sha256(e[0].encode()).hexdigest()
    )
    for fold in range(5):
        _, held = hold_out(every, HoldOut(0.2, 5, fold), "")
        assert held == sorted(order[2 * fold : 2 * fold + 2])
    assert hold_out(every, HoldOut(0.2), "") == hold_out(
        every, HoldOut(0.2, 5, 0), ""
    )


def test_a_fold_is_not_learned_from_without_its_labels(tmp_path):
    root = own.make(tmp_path, images=8, masks=5)
    # A copy of a labelled image, without a mask.
    shutil.copy(root / "images/2.jpg", root / "images/copy.jpg")
    for fold in range(5):
        data = opened(root, 5, fold)
        assert data.held_out
        (held,) = names(data.val)
        assert held not in names(data.labelled) + names(data.unlabelled)
        copied = "images/copy.jpg" in names(data.unlabelled)
        assert copied == (held != "images/2.jpg")
        assert len(data.labelled) == 4


def test_folds_of_a_folder_are_balanced_by_class(tmp_path):
    """Colours, one rare class on two masks of six, and void."""
    listed = own.CLASSES | {"void": [255, 255, 255]}
    root = own.make(tmp_path, images=8, masks=6, draw=own.rgb, classes=listed)
    for i in range(6):
        mask = own.ids(i, 2)
        mask[1, :5] = 2 if i in (3, 5) else 3
        own.save(root / f"masks/{i}.png", own.rgb(mask, listed))
    held = [names(opened(root, 2, fold).val) for fold in range(2)]
    assert sorted(map(len, held)) == [3, 3]
    for some in held:
        assert len({"images/3.jpg", "images/5.jpg"} & set(some)) == 1


def test_a_list_of_labelled_images_is_split_too(tmp_path):
    root = own.make(tmp_path)
    lists(root, LINES)
    held = [name for k in range(2) for name in names(opened(root, 2, k).val)]
    assert sorted(held) == [line.split()[0] for line in LINES]


def test_more_folds_than_labelled_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has only 5 labelled images"):
        opened(own.make(tmp_path), 6, 0)


def test_folds_beside_a_val_are_refused(tmp_path):
    root = own.make(tmp_path / "root")
    packed, _ = pack_data_set("folder", root, tmp_path / "packed")
    own.make(root / "val", 2, 2)
    assert not opened(root, 0, 0).held_out
    for folder in (root, packed):
        with pytest.raises(ValueError, match="has a val of its own") as error:
            opened(folder, 5, 0)
        assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"data.folds": 5, "data.fold": 5}, "are 0 to 4"),
        ({"data.fold": 2}, "needs the number of folds"),
        ({"data.folds": 1}, "leaves no image to train on"),
    ],
)
def test_impossible_folds_are_refused_before_the_data(fields, words):
    config = folder_config.get_config("tiny")
    config.update_from_flattened_dict(fields)
    with pytest.raises(ValueError, match=words):
        check_config(config)


def test_folds_of_a_data_set_with_lists_are_refused():
    config = camvid_config.get_config("tiny_1_8")
    config.data.folds = 5
    with pytest.raises(ValueError, match="camvid has a val of its own"):
        check_config(config)


def test_a_run_is_not_resumed_on_another_fold(tmp_path):
    then, now = (folder_config.get_config("tiny") for _ in range(2))
    then.data.folds = now.data.folds = 5
    now.data.fold = 1
    with pytest.raises(ValueError, match=r"data\.fold is 0 there and 1 here"):
        check_resume(then, now, tmp_path)
