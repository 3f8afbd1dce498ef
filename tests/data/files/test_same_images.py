"""The same image under two names: leaks are refused, copies are told."""

import pytest

from tests.data import own_folder as own
from tests.data.folder_helpers import (
    LINES,
    SPELLINGS,
    copy,
    every,
    hard_link,
    link,
    lists,
    names,
    notes,
    opened,
    refused,
)


@pytest.mark.parametrize("same", [copy, link, hard_link])
@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("number", [2, 7], ids=["labelled", "unlabelled"])
def test_val_and_test_do_not_leak_into_training(same, part, number, tmp_path):
    own.make(tmp_path)
    own.make(tmp_path / part, 1, 1)
    same(tmp_path, f"images/{number}.jpg", f"{part}/images/x.jpg")
    same(tmp_path, "masks/1.png", f"{part}/masks/x.png")
    refused(tmp_path, f"{part}/images/x.jpg", f"images/{number}.jpg", "same")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_list_that_overlaps_val_is_refused(spelling, tmp_path):
    own.make(tmp_path)
    lists(tmp_path, LINES[:4], [SPELLINGS[spelling](LINES[3]), LINES[4]])
    refused(tmp_path, "images/3.jpg is both in val and labelled")


def test_copies_of_held_out_images_leave_training(tmp_path):
    own.make(tmp_path)
    held = names(opened(tmp_path).val)[0]
    copy(tmp_path, held, "images/zz.jpg")
    data = opened(tmp_path)
    both = {held, "images/zz.jpg"}
    trained = {*names(data.labelled), *names(data.unlabelled)}
    assert held in names(data.val) and not trained & both
    assert "1 image is a copy of what was held out for val" in notes(data)


def test_copies_within_training_are_told(tmp_path):
    own.make(tmp_path)
    copy(tmp_path, "images/6.jpg", "images/6 (1).jpg")
    data = opened(tmp_path)
    assert len(every(data)) == 9
    assert "images/6.jpg, images/6 (1).jpg (unlabelled) are the same" in (
        notes(data)
    )
