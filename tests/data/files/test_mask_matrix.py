"""Half of the masks saved in one way, half in another: never wrong labels."""

import io
import itertools
import pathlib

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.files import masks
from ipixmatch_jax.data.files.class_list import (
    make_class_list,
    voc_colour,
    without_colours,
)
from ipixmatch_jax.data.files.mask_contents import all_contents, mask_content
from ipixmatch_jax.data.files.mask_reading import choose_reading
from ipixmatch_jax.data.files.stored_masks import read_stored
from tests.data import own_folder as own
from tests.data.mask_files import (
    BLACK_WHITE,
    RED,
    VOID,
    drawn,
    grey,
    palette,
    white,
)

WHITE, BLACK, GREEN = (255, 255, 255), (0, 0, 0), (9, 200, 9)


def deep(values):
    return Image.fromarray(values.astype(np.uint16))


WAYS = {
    "ids": grey,
    "RGB ids": lambda m: grey(m, "RGB"),
    "LA ids": lambda m: grey(m, "LA"),
    "deep ids": deep,
    "white": white,
    "RGB white": lambda m: white(m, "RGB"),
    "LA white": lambda m: white(m, "LA"),
    "bits": lambda m: white(m, "1"),
    "deep white": lambda m: deep(m * np.uint16(65535)),
    "RGB red": lambda m: own.rgb(m, RED),
    "RGBA red": lambda m: own.rgb(m, RED).convert("RGBA"),
    "palette": lambda m: palette(m, RED.values()),
    "palette, white": lambda m: palette(m, BLACK_WHITE.values()),
    "palette, reversed": lambda m: palette(1 - m, [(255, 0, 0), BLACK]),
    "palette, white reversed": lambda m: palette(1 - m, [WHITE, BLACK]),
    "palette, unlisted": lambda m: palette(m, [BLACK, GREEN]),
    "palette, unlisted reversed": lambda m: palette(1 - m, [GREEN, BLACK]),
    "palette, VOC": lambda m: palette(m, [BLACK, voc_colour(1)]),
    "palette, VOC reversed": lambda m: palette(1 - m, [voc_colour(1), BLACK]),
    "palette, 255": lambda m: palette(m * 255, [BLACK] * 255 + [WHITE]),
    "palette, padded": lambda m: palette(m, [*RED.values(), *[BLACK] * 99]),
}
NAMES = [("background", voc_colour(0)), ("crack", voc_colour(1))]


def coloured(classes):
    listed = [(name, tuple(colour)) for name, colour in classes.items()]
    return make_class_list(listed, "classes.json")


LISTS = {
    "black and white": coloured(BLACK_WHITE),
    "red": coloured(RED),
    "red, white is void": coloured(VOID),
    "names alone": without_colours(NAMES, "classes.json"),
    "none": None,
}


@pytest.fixture(scope="module")
def stored():
    """(path, mask) of four masks saved in each way."""
    found = {}
    for way, draw in WAYS.items():
        found[way] = []
        for i in range(4):
            file = io.BytesIO()
            draw(drawn(i)).save(file, "PNG")
            path = f"masks/{i}.png"
            found[way].append((path, read_stored(path, file.getvalue())))
    return found


def read(some, classes):
    """The labels of masks, as the reader of folders makes them."""
    contents = all_contents(lambda i: mask_content(*some[i][::-1]), len(some))
    if classes is None:
        classes = masks.classes_of_ids(contents, pathlib.Path("root"))
    reading = choose_reading(contents, classes)
    return [np.asarray(masks.to_ids(m, path, reading)) for path, m in some]


@pytest.mark.parametrize("name", LISTS)
def test_two_ways_give_right_labels_or_a_refusal_with_the_files(name, stored):
    right = 0
    for one, other in itertools.permutations(WAYS, 2):
        some = [stored[(one, other)[i % 2]][i] for i in range(4)]
        try:
            found = read(some, LISTS[name])
        except ValueError as error:
            words = str(error)
            assert "masks/" in words or "The masks of root" in words
            continue
        right += 1
        for i, labels in enumerate(found):
            np.testing.assert_array_equal(labels, drawn(i), f"{one}, {other}")
    assert right >= 20


@pytest.mark.parametrize("name", LISTS)
def test_one_way_gives_right_labels_or_a_refusal(name, stored):
    right = 0
    for way in WAYS:
        try:
            found = read(stored[way], LISTS[name])
        except ValueError:
            continue
        right += 1
        # Without listed colours the indices count, in whatever colours.
        by_index = name in ("names alone", "none") and "reversed" in way
        for i, labels in enumerate(found):
            expected = 1 - drawn(i) if by_index else drawn(i)
            np.testing.assert_array_equal(labels, expected, way)
    assert right >= 10


def test_white_alone_in_rgb_masks_beside_colours_is_not_void(stored):
    """The list says that white is void, yet nothing else is drawn in them."""
    some = [stored[("RGB white", "RGB red")[i % 2]][i] for i in range(4)]
    with pytest.raises(ValueError) as error:
        read(some, LISTS["red, white is void"])
    assert "2 (masks/0.png, masks/2.png) are black and white" in str(
        error.value
    )


def test_void_beside_colours_in_rgb_masks_is_void():
    """White borders in masks that show the class as well."""
    some, expected = [], []
    for i in range(4):
        ids = drawn(i)
        ids[i, :] = 2
        if i == 3:  # One image shows no crack, and is partly void.
            ids[ids == 1] = 0
        file = io.BytesIO()
        own.rgb(ids, VOID).save(file, "PNG")
        path = f"masks/{i}.png"
        some.append((path, read_stored(path, file.getvalue())))
        expected.append(np.where(ids == 2, 255, ids))
    for labels, right in zip(
        read(some, LISTS["red, white is void"]), expected, strict=True
    ):
        np.testing.assert_array_equal(labels, right)


@pytest.mark.parametrize("one", ["ids", "bits", "palette, VOC"])
def test_names_alone_and_a_reversed_palette_are_refused(one, stored):
    ways = one, "palette, VOC reversed"
    if one == "bits":
        ways = one, "palette, white reversed"
    some = [stored[ways[i % 2]][i] for i in range(4)]
    with pytest.raises(
        ValueError, match="palettes of the masks differ"
    ) as error:
        read(some, LISTS["names alone"])
    assert "masks/0.png" in str(error.value)
    assert "masks/1.png" in str(error.value)
