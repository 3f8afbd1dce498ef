"""What mask values mean: right labels, or a refusal that names the files."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.data import own_folder as own
from tests.data.mask_files import (
    BLACK_WHITE,
    COUNT,
    RED,
    VOID,
    drawn,
    folder,
    grey,
    palette,
    white,
)
from tests.data.mask_reading_helpers import labels, opened, refused, said

SQUARES = {
    # How one mask is drawn, the class list, and how masks are said to be read.
    "ids": (grey, RED, "as class ids (6 grey masks)"),
    "black and white": (white, BLACK_WHITE, "as colours (6 grey masks)"),
    "1 bit, ids": (
        lambda m: white(m, "1"),
        RED,
        "as class ids (6 1-bit masks)",
    ),
    "1 bit": (
        lambda m: white(m, "1"),
        BLACK_WHITE,
        "as colours (6 1-bit masks)",
    ),
    "RGB": (lambda m: own.rgb(m, RED), RED, "as colours (6 RGB masks)"),
    "RGB, white": (lambda m: white(m, "RGB"), BLACK_WHITE, "as colours"),
    "RGB that holds ids": (lambda m: grey(m, "RGB"), RED, "as class ids"),
    "grey and alpha": (lambda m: grey(m, "LA"), RED, "as class ids"),
    "white and alpha": (lambda m: white(m, "LA"), BLACK_WHITE, "as colours"),
    "16 bits": (
        lambda m: Image.fromarray(m.astype(np.uint16) * 65535),
        BLACK_WHITE,
        "as colours",
    ),
    "palette": (
        lambda m: palette(m, RED.values()),
        RED,
        "as class ids (6 indexed",
    ),
    "palette of another program": (
        lambda m: palette(m, [(9, 9, 9), (200, 1, 1)]),
        RED,
        "as class ids (6 indexed",
    ),
    "palette of black and white": (
        lambda m: palette(m, [(0, 0, 0), (255, 255, 255)]),
        BLACK_WHITE,
        "as class ids (6 indexed",
    ),
    "palette in another order": (
        lambda m: palette(1 - m, [(255, 0, 0), (0, 0, 0)]),
        RED,
        "colours of their palettes",
    ),
    "palette with 255 in white": (
        lambda m: palette(m * 255, [(0, 0, 0)] + [(255, 255, 255)] * 255),
        RED,
        None,
    ),
    "ids, the list's first class is not black": (
        grey,
        {"crack": [255, 0, 0], "background": [0, 0, 0]},
        "as class ids",
    ),
}


@pytest.mark.parametrize("kind", [k for k, v in SQUARES.items() if v[2]])
def test_squares_are_read_right_and_it_is_said(kind, tmp_path):
    draw, classes, words = SQUARES[kind]
    folder(tmp_path, lambda i: draw(drawn(i)), classes)
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, drawn(i))
    line = said(tmp_path)
    assert words in line and ("because" in line or "RGB masks" in line)


@pytest.mark.parametrize("classes", [BLACK_WHITE])
def test_one_bit_beside_eight_bits_in_black_and_white(classes, tmp_path):
    folder(tmp_path, lambda i: white(drawn(i), "1" if i % 2 else None), classes)
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, drawn(i))


def test_empty_masks_of_one_bit_beside_black_and_white(tmp_path):
    folder(
        tmp_path,
        lambda i: white(drawn(i) * (1 - i % 2), "1" if i % 2 else None),
        BLACK_WHITE,
    )
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, drawn(i) * (1 - i % 2))


def test_a_palette_of_an_optimiser_beside_black_and_white(tmp_path):
    two = [(255, 255, 255), (0, 0, 0)]  # White first.
    folder(
        tmp_path,
        lambda i: palette(1 - drawn(i), two) if i % 2 else white(drawn(i)),
        BLACK_WHITE,
    )
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, drawn(i))


def stray(i):
    values = drawn(i) * np.uint8(255)
    if i == 2:
        values[39, :3] = 1
    return grey(values)


@pytest.mark.parametrize("classes", [BLACK_WHITE, RED, VOID, None])
def test_three_stray_pixels_of_one_mask_do_not_turn_the_others(
    classes, tmp_path
):
    sentence = refused(folder(tmp_path, stray, classes))
    assert "masks/2.png" in sentence
    if classes is BLACK_WHITE:
        assert (
            "1 (masks/2.png) hold other values (3 pixels of the value 1)"
            in (sentence)
        )


@pytest.mark.parametrize("classes", [BLACK_WHITE, RED, VOID, None])
@pytest.mark.parametrize(
    "other",
    [
        lambda m: grey(m),
        lambda m: white(m, "1"),
        lambda m: grey(m, "RGB"),
        lambda m: grey(m, "LA"),
        lambda m: palette(m, [(0, 0, 0), (255, 0, 0)]),
        lambda m: own.rgb(m, RED),
    ],
    ids=["grey", "bits", "RGB", "LA", "palette", "colours"],
)
def test_masks_of_two_tools_are_read_right_or_refused(classes, other, tmp_path):
    """Half 0/255, half as another tool saves the same ids."""
    folder(
        tmp_path,
        lambda i: other(drawn(i)) if i % 2 else white(drawn(i)),
        classes,
    )
    try:
        found = labels(tmp_path)
    except ValueError as error:
        assert "/masks/" in str(error) and ".png" in str(error)
        return
    assert classes is BLACK_WHITE
    for i, mask in found.items():
        np.testing.assert_array_equal(mask, drawn(i))


@pytest.mark.parametrize("classes", [RED, VOID])
@pytest.mark.parametrize("mode", [None, "RGB", "LA"])
def test_black_and_white_beside_a_list_of_another_colour(
    classes, mode, tmp_path
):
    folder(tmp_path, lambda i: white(drawn(i), mode), classes)
    sentence = refused(tmp_path)
    assert "masks/1.png" in sentence and "[255, 255, 255]" in sentence
    assert "'crack'" in sentence


def test_white_bits_that_the_list_calls_void_are_not_guessed(tmp_path):
    folder(tmp_path, lambda i: white(drawn(i), "1"), VOID)
    sentence = refused(tmp_path)
    assert "two ways" in sentence and "masks/1.png" in sentence


def smoothed(values):
    image = grey(values)
    return image.resize((24, 20), Image.BILINEAR).resize(
        image.size, Image.BILINEAR
    )


def through_jpeg(values):
    file = io.BytesIO()
    grey(values).save(file, "JPEG", quality=90)
    return Image.open(file)


@pytest.mark.parametrize("spoil", [smoothed, through_jpeg])
@pytest.mark.parametrize("classes", [BLACK_WHITE, RED, VOID, None])
@pytest.mark.parametrize("which", [range(6), [3]], ids=["all", "one"])
def test_smoothed_black_and_white(spoil, classes, which, tmp_path):
    folder(
        tmp_path,
        lambda i: (spoil if i in which else grey)(drawn(i) * np.uint8(255)),
        classes,
    )
    sentence = refused(tmp_path)
    assert "smoothed edges" in sentence
    assert f"masks/{min(which)}.png" in sentence


def with_border(i):
    """Ids with 255 around the square, as VOC draws it."""
    ids = drawn(i)
    ids[i, :] = ids[:, i] = 255
    return ids


@pytest.mark.parametrize("classes", [RED, VOID, None])
def test_255_beside_ids_is_left_out(classes, tmp_path):
    folder(tmp_path, lambda i: grey(with_border(i)), classes)
    for i, mask in labels(tmp_path).items():
        np.testing.assert_array_equal(mask, with_border(i))


def test_an_image_without_a_class_may_still_have_a_border(tmp_path):
    def draw(i):
        return grey(
            with_border(i) * (with_border(i) != 1)
            if i == 2
            else (with_border(i))
        )

    folder(tmp_path, draw, RED)
    assert set(np.unique(labels(tmp_path)[2])) == {0, 255}


@pytest.mark.parametrize("classes", [RED, None])
def test_most_of_the_pixels_left_out_stops(classes, tmp_path):
    def draw(i):
        ids = np.full((40, 48), 255, np.uint8)
        ids[:5, :5], ids[10:13, :9] = 0, 1
        return grey(ids)

    sentence = refused(folder(tmp_path, draw, classes))
    assert "of the value 255 would be left out" in sentence
    assert "masks/1.png" in sentence
    # Scribbles, where the list says so.
    (tmp_path / "classes.json").write_text(json.dumps(VOID))
    for mask in labels(tmp_path).values():
        assert [int((mask == k).sum()) for k in (0, 1)] == [25, 27]


def test_one_class_alone_teaches_nothing(tmp_path):
    folder(tmp_path, lambda i: grey(drawn(i) * 0), RED)
    assert "'background' alone, and no pixel of 'crack'" in refused(tmp_path)


def test_colours_in_the_order_of_opencv_are_recognised(tmp_path):
    classes = {"sea": [0, 0, 255], "land": [10, 90, 30]}
    turned = {name: colour[::-1] for name, colour in classes.items()}
    folder(tmp_path, lambda i: own.rgb(drawn(i), turned), classes)
    assert "if red and blue were exchanged" in refused(tmp_path)


def test_a_colour_that_is_nearly_listed_is_answered_with_the_listed(tmp_path):
    near = {"background": [0, 0, 0], "crack": [254, 0, 2]}
    folder(tmp_path, lambda i: own.rgb(drawn(i), near), RED)
    assert "close to 'crack', [255, 0, 0]" in refused(tmp_path)


def test_a_list_of_names_alone_takes_ids_and_no_colours(tmp_path):
    names = ["background", "crack"]
    folder(tmp_path / "ids", lambda i: grey(drawn(i)), names)
    data = opened(tmp_path / "ids")
    assert data.class_names == ("background", "crack")
    folder(tmp_path / "rgb", lambda i: own.rgb(drawn(i), RED), names)
    assert "gives names alone" in refused(tmp_path / "rgb")
    folder(tmp_path / "bw", lambda i: white(drawn(i)), names)
    assert "does not say which class is white" in refused(tmp_path / "bw")


def test_transparent_pixels_are_refused_and_a_transparent_entry_is_not(
    tmp_path,
):
    def see_through(i):
        values = np.zeros((40, 48, 4), np.uint8)
        values[drawn(i) == 1] = (255, 0, 0, 255)
        return Image.fromarray(values)

    folder(tmp_path / "rgba", see_through, RED)
    assert "transparent pixels" in refused(tmp_path / "rgba")
    root = folder(tmp_path / "p", lambda i: grey(drawn(i)), RED)
    for i in range(COUNT):
        mask = palette(drawn(i), RED.values())
        mask.save(root / f"masks/{i}.png", transparency=bytes([0, 255]))
    for i, mask in labels(root).items():
        np.testing.assert_array_equal(mask, drawn(i))
