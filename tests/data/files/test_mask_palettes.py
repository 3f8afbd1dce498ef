"""Palettes that are padded, differ between files, or belong to one file."""

import json

import numpy as np
import pytest

from tests.data.mask_files import (
    RGB3,
    drawn,
    folder,
    grey,
    palette,
    three,
)
from tests.data.mask_reading_helpers import labels, refused, said


def padded(colours, length=256, fill=(0, 0, 0)):
    return [*colours, *[fill] * (length - len(colours))]


@pytest.mark.parametrize("fill", [(0, 0, 0), (255, 255, 255), (0, 255, 0)])
@pytest.mark.parametrize("where", [range(6), [4]], ids=["all", "one"])
def test_an_unlisted_id_does_not_take_the_class_of_the_padding(
    fill, where, tmp_path
):
    """Ids 0 to 3 in masks, 0 to 2 listed; the palette ends after 2."""

    def draw(i):
        ids = three(i)
        if i in where:
            ids[:4, :4] = 3
        return palette(ids, padded(RGB3.values(), fill=fill))

    classes = RGB3
    if fill == (255, 255, 255):
        # White is listed too, as the padding's colour.
        classes = {**RGB3, "snow": [255, 255, 255]}
        sentence_or_labels = folder(tmp_path, draw, classes)
        for i, mask in labels(sentence_or_labels).items():
            assert (mask[:4, :4] == 3).all() == (i in where)
        return
    sentence = refused(folder(tmp_path, draw, classes))
    assert "16 pixels of the id 3" in sentence and "0 to 2" in sentence


@pytest.mark.parametrize("classes", [RGB3, None])
def test_padded_palettes_of_listed_ids_are_ids(classes, tmp_path):
    folder(
        tmp_path, lambda i: palette(three(i), padded(RGB3.values())), classes
    )
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, three(i))


SWAP = np.array([0, 2, 1], np.uint8)


def swapped(i, colours):
    """The same picture; in odd files with the palette in another order."""
    if i % 2:
        return palette(SWAP[three(i)], [colours[k] for k in SWAP])
    return palette(three(i), colours)


def test_palettes_in_two_orders_are_read_by_the_listed_colours(tmp_path):
    folder(tmp_path, lambda i: swapped(i, list(RGB3.values())), RGB3)
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, three(i))
    assert "masks/1.png has them at other indices" in said(tmp_path)


@pytest.mark.parametrize("classes", [None, RGB3])
def test_palettes_in_two_orders_of_unlisted_colours_are_refused(
    classes, tmp_path
):
    """With a list and without: the indices cannot be trusted."""
    colours = [(0, 0, 0), (200, 0, 0), (0, 200, 0)]
    folder(tmp_path, lambda i: swapped(i, colours), classes)
    sentence = refused(tmp_path)
    assert "palettes of the masks differ: " in sentence
    for name in ("masks/0.png", "masks/1.png", "[0, 200, 0]"):
        assert name in sentence


@pytest.mark.parametrize("first", ["grey", "duplicate"])
def test_palettes_in_two_orders_beside_odd_masks(first, tmp_path):
    def draw(i):
        if i == 0 and first == "grey":
            return grey(three(i) * 0)
        if i == 0:
            colours = [(0, 0, 0), (255, 0, 0), (255, 0, 0)]
            return palette(three(i), colours)
        return swapped(i, list(RGB3.values()))

    sentence = refused(folder(tmp_path, draw, None))
    assert "palettes of the masks differ" in sentence
    draft = json.loads(sentence[sentence.index("{") : -1])
    assert sorted(draft.values()) == sorted(RGB3.values())


def test_each_file_with_a_palette_of_its_own_is_refused(tmp_path):
    """Every mask has index 1 only, for red or for green."""
    colours = [(200, 0, 0), (0, 200, 0)]
    for classes in (None, RGB3):
        root = tmp_path / str(classes is None)
        folder(
            root,
            lambda i: palette(drawn(i), [(0, 0, 0), colours[i % 2]]),
            classes,
        )
        assert "palettes of the masks differ" in refused(root)


def test_one_mask_with_the_palette_of_voc_is_read_by_its_ids(tmp_path):
    voc = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    folder(
        tmp_path,
        lambda i: palette(three(i), voc if i == 3 else list(RGB3.values())),
        RGB3,
    )
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, three(i))


def test_one_mask_in_another_palette_is_named_and_not_the_folder(tmp_path):
    """All but one hold ids in colours that the list does not have."""
    others = [(0, 0, 0), (200, 0, 0), (0, 200, 0)]

    def draw(i):
        if i == 4:
            return palette(
                SWAP[three(i)], [list(RGB3.values())[k] for k in SWAP]
            )
        return palette(three(i), others)

    sentence = refused(folder(tmp_path, draw, RGB3))
    assert "1 (masks/4.png) have listed colours" in sentence
