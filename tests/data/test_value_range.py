"""16-bit images keep their range: by type, as measured, or as given."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import source, value_range
from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.bands import Bands
from ipixmatch_jax.data.registry import open_data
from tests.data import own_folder as own
from tests.data.tiff_files import tiff


def deep_png(values):
    """The bytes of a 16-bit PNG of [H, W] or [H, W, 2 to 4]."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    colour = {2: 0, 3: {2: 4, 3: 2, 4: 6}.get(values.shape[-1])}[values.ndim]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(
        ">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0
    )
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_deep_png_keeps_both_bytes(channels):
    shape = (9, 11) if channels == 1 else (9, 11, channels)
    values = np.random.default_rng(channels).integers(0, 4096, shape)
    data = deep_png(values)
    image = decode.read_image("a.png", data, channels, (0.0, 4095.0))
    right = np.floor(values * 255 / 4095 + 0.5).reshape(9, 11, channels)
    np.testing.assert_array_equal(source.pixels(image), right)


def twelve_bits(root, count=10, masks=6):
    """A folder of 12-bit images in 16-bit PNGs."""
    own.make(root, 0, masks)
    (root / "images").mkdir()
    for i in range(count):
        values = np.random.default_rng(i).integers(0, 4096, (40, 48))
        (root / f"images/{i}.png").write_bytes(deep_png(values))
    return root


def opened(root, text="", channels=1):
    how = {"holdout": 0.2, "channels": channels, "range": text}
    return open_data("folder", str(root), "", "", **how)


def levels(data):
    return len(np.unique(np.asarray(data.labelled[0].image)))


def test_images_of_12_bits_are_measured_and_use_all_levels(tmp_path):
    data = opened(twelve_bits(tmp_path))
    low, high = map(float, data.value_range.split(","))
    assert 0 <= low < 20 and 4075 < high <= 4095
    assert levels(data) > 250
    (note,) = [n for n in data.notes if "data.range" in n]
    assert "8 of 8 training" in note or "9 of 9 training" in note
    assert data.value_range in note
    # What is kept with the run reads the same pixels.
    again = opened(tmp_path, data.value_range)
    np.testing.assert_array_equal(
        again.labelled[0].image, data.labelled[0].image
    )


def test_the_range_of_the_type_is_told_to_be_too_wide(tmp_path):
    data = opened(twelve_bits(tmp_path), "dtype")
    assert levels(data) == 17  # 4095 / 257
    assert data.value_range == "dtype"
    assert any("about 16 of 256 levels" in note for note in data.notes)


def test_a_range_that_is_given(tmp_path):
    data = opened(twelve_bits(tmp_path), "1000,2000")
    name = int(data.labelled.name(0).split("/")[1].split(".")[0])
    values = np.random.default_rng(name).integers(0, 4096, (40, 48))
    right = np.floor(np.clip((values - 1000) * 0.255, 0, 255) + 0.5)
    np.testing.assert_array_equal(data.labelled[0].image, right)


def test_images_of_8_bits_are_left_alone(tmp_path):
    plain = opened(own.make(tmp_path), channels=3)
    assert plain.value_range == ""
    assert not any("data.range" in note for note in plain.notes)
    for text in ("percentile", "0,100"):
        data = opened(tmp_path, text, 3)
        np.testing.assert_array_equal(
            data.labelled[0].image, plain.labelled[0].image
        )
        assert any("has no effect" in note for note in data.notes)


def test_8_and_16_bits_in_one_folder(tmp_path):
    own.make(tmp_path, 8, 6)
    values = np.random.default_rng(0).integers(0, 4096, (40, 48))
    (tmp_path / "images/9.png").write_bytes(deep_png(values))
    data = opened(tmp_path)
    assert any("1 of 8 training images" in note for note in data.notes)
    at = [data.unlabelled.name(i) for i in range(3)].index("images/9.png")
    assert np.asarray(data.unlabelled[at].image).max() == 255


@pytest.mark.parametrize("text", ["1", "2,1", "a,b", "0,inf", "1,1", "8bit"])
def test_a_range_that_is_not_understood(text, tmp_path):
    with pytest.raises(ValueError, match=r"config.data.range=.*LOW,HIGH"):
        opened(own.make(tmp_path), text, 3)


def test_the_percentiles_are_those_of_numpy_without_missing_data():
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 500, (60, 70, 2)).astype(np.float32)
    values[:30, 0] = -9999
    values[30, :9] = np.nan
    found = value_range.measure_range([Bands(values, "grey", "", 32, -9999.0)])
    there = values[np.isfinite(values) & (values != -9999)]
    right = np.percentile(there.astype(np.float64), [0.1, 99.9])
    np.testing.assert_allclose(found, right, rtol=1e-5)
    with pytest.raises(ValueError, match="one value everywhere"):
        value_range.measure_range([Bands(np.ones((4, 4, 1)), "grey", "", 16)])


def test_floats_in_a_folder_are_measured(tmp_path):
    own.make(tmp_path, 0, 4)
    (tmp_path / "images").mkdir()
    for i in range(6):
        values = np.random.default_rng(i).random((40, 48)).astype(np.float32)
        (tmp_path / f"images/{i}.tif").write_bytes(
            tiff(values, sample_format=3)
        )
    assert levels(opened(tmp_path)) > 250


def test_masks_of_16_bit_colours_are_taken_by_value(tmp_path):
    own.make(tmp_path, 8, 0, classes=own.CLASSES)
    (tmp_path / "masks").mkdir()
    table = np.asarray(list(own.CLASSES.values()), np.uint16)
    for i in range(5):  # As 8 bits in 16, and spread over 16.
        colours = table[own.ids(i)] * (257 if i % 2 else 1)
        (tmp_path / f"masks/{i}.png").write_bytes(deep_png(colours))
    data = opened(tmp_path, channels=3)
    for part in (data.labelled, data.val):
        for i in range(len(part)):
            number = int(part.name(i).split("/")[1].split(".")[0])
            np.testing.assert_array_equal(part[i].mask, own.ids(number))


def test_grey_images_of_16_bits_by_pillow_are_the_same(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (7, 9), np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    found = decode.read_bands(str(tmp_path / "a.png")).values[..., 0]
    np.testing.assert_array_equal(found, values)


def test_each_band_is_scaled_over_its_own_range():
    values = np.random.default_rng(0).integers(0, 9000, (9, 11, 4))
    text = "0,3000;100,4000;0,9000;50.5,8000"
    ends = value_range.parse_range(text)
    assert value_range.format_range(ends) == text
    image = decode.read_image("a.png", deep_png(values), 4, ends)
    for k, pair in enumerate(text.split(";")):
        low, high = map(float, pair.split(","))
        scaled = np.clip((values[..., k] - low) / (high - low), 0, 1)
        right = np.floor(255 * scaled + 0.5)
        np.testing.assert_array_equal(source.pixels(image)[..., k], right)
    # Alpha has no range, and is dropped.
    three = decode.read_image(
        "a.png", deep_png(values), 3, tuple(end[:3] for end in ends)
    )
    np.testing.assert_array_equal(
        source.pixels(three), source.pixels(image)[..., :3]
    )
    with pytest.raises(source.BadFileError, match=r"has 4 bands, and .* of 2"):
        decode.read_image("a.png", deep_png(values), 4, ((0, 0), (9, 9)))


def test_the_range_of_each_band_is_measured_and_kept(tmp_path):
    own.make(tmp_path, 0, 2)
    (tmp_path / "images").mkdir()
    tops = [1000, 2000, 4000, 8000]
    for i in range(3):
        rng = np.random.default_rng(i)
        values = rng.uniform(0, 1, (40, 48, 4)) * tops
        data = tiff(values.astype(np.uint16), photometric=2, extra=(0,))
        (tmp_path / f"images/{i}.tif").write_bytes(data)
    data = opened(tmp_path, "bands", 4)
    low, high = value_range.parse_range(data.value_range)
    assert max(low) < 20
    np.testing.assert_allclose(high, tops, rtol=0.01)
    assert opened(tmp_path, data.value_range, 4).value_range == (
        data.value_range
    )
    mixed = [
        Bands(np.arange(8.0).reshape(2, 2, 2), "grey", "", 32),
        Bands(np.arange(12.0).reshape(2, 2, 3), "RGB", "", 32),
    ]
    with pytest.raises(ValueError, match="have 2 to 3 bands"):
        value_range.measure_range(mixed, each=True)
