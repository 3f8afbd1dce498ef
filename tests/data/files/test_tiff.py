"""TIFFs of every layout: the pixels that are read are those of the file."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from ipixmatch_jax.data import source
from ipixmatch_jax.data.files import decode, stored_masks
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.data.value_range import measure_range
from tests.data.tiff_files import tiff

RNG = np.random.default_rng(0)
WIDE = RNG.integers(0, 65536, (33, 47, 16)).astype(np.uint16)
NARROW = (WIDE >> 8).astype(np.uint8)
RAMP = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)


def read(data, channels, value_range=None):
    image = decode.read_image("a.tif", data, channels, value_range)
    assert decode.read_size("a.tif", data) == image.size[::-1]
    return source.pixels(image)


def by_type(values):
    """uint16 over 0 to 65535 as 8 bits, to nearest."""
    return np.round(values.astype(np.float64) / 257).astype(np.uint8)


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("bands", range(1, 17))
def test_bands_lie_where_the_file_puts_them(planar, bands):
    extra = (0,) * (bands - 1)
    for values in (NARROW[..., :bands], WIDE[..., :bands]):
        data = tiff(values, planar=planar, extra=extra)
        found = decode.read_bands("a.tif", data).values
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)
        assert decode.is_deep("a.tif", data) == (values.itemsize == 2)


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("photometric", [1, 2])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_8_and_16_bits(planar, photometric, channels):
    extra = (0,) * (channels - (3 if photometric == 2 else 1))
    how = {"photometric": photometric, "planar": planar, "extra": extra}
    narrow, wide = NARROW[..., :channels], WIDE[..., :channels]
    np.testing.assert_array_equal(read(tiff(narrow, **how), channels), narrow)
    np.testing.assert_array_equal(
        read(tiff(wide, **how), channels), by_type(wide)
    )
    if channels == 4:  # The fourth is not a colour.
        found = read(tiff(narrow, **how), 3)
        np.testing.assert_array_equal(found, narrow[..., :3])


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("bands", [5, 8])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_more_bands_than_are_taken_are_refused(planar, bands, channels):
    data = tiff(NARROW[..., :bands], 2, planar=planar, extra=(0,) * (bands - 3))
    with pytest.raises(BadFileError, match=rf"a\.tif has {bands} "):
        read(data, channels)


def slow_8_bits(values, low, high):
    """What a value becomes, one by one and in Python's numbers."""
    shares = [(v - low) / (high - low) for v in values.ravel().tolist()]
    shares = [
        min(max(share, 0), 1) if share == share else 0 for share in shares
    ]
    found = [int(255 * share + 0.5) for share in shares]
    return np.uint8(found).reshape(values.shape)


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("photometric", [1, 2])
@pytest.mark.parametrize("bands", [5, 12, 16])
def test_files_of_more_than_four_bands(planar, photometric, bands):
    extra = (0,) * (bands - (3 if photometric == 2 else 1))
    how = {"photometric": photometric, "planar": planar, "extra": extra}
    narrow, wide = NARROW[:20, :19, :bands], WIDE[:20, :19, :bands]
    np.testing.assert_array_equal(read(tiff(narrow, **how), bands), narrow)
    np.testing.assert_array_equal(read(tiff(wide, **how), bands), by_type(wide))
    floats = (wide / 65536 - 0.25).astype(np.float32)
    floats[3, 4, bands - 1] = np.nan
    ends = [(k / 40, 0.5 + k / 40) for k in range(bands)]
    found = read(
        tiff(floats, sample_format=3, **how),
        bands,
        tuple(zip(*ends, strict=True)),
    )
    for k, (low, high) in enumerate(ends):
        expected = slow_8_bits(floats[..., k], low, high)
        np.testing.assert_array_equal(found[..., k], expected)


@pytest.mark.parametrize(("bands", "at"), [(5, 3), (13, 12), (6, 4)])
def test_alpha_among_many_bands_is_not_measured(bands, at):
    values = WIDE[..., :bands] // 8
    values[..., at] = 65535
    extra = [0] * (bands - 1)
    extra[at - 1] = 2
    data = tiff(values, extra=extra)
    bands_read = decode.read_bands("a.tif", data)
    low, high = measure_range([bands_read], each=True)
    assert len(low) == bands - 1 and max(high) < 8192
    found = read(data, bands, (low, high))
    assert (found[..., at] == 255).all()
    others = np.delete(found, at, -1)
    for k, band in enumerate(np.moveaxis(np.delete(values, at, -1), -1, 0)):
        expected = slow_8_bits(band, low[k], high[k])
        np.testing.assert_array_equal(others[..., k], expected)
    extra[at - 1] = 1
    with pytest.raises(BadFileError, match="multiplied by its alpha"):
        read(tiff(values, extra=extra), bands)


def test_other_numbers_of_bands_are_named_with_the_way_out():
    data = tiff(NARROW[..., :13], extra=(0,) * 12)
    words = (
        r"a\.tif has 13 bands, and config\.data\.channels=12 takes "
        r"files of 12: train with --config\.data\.channels=13 to read all, "
    )
    with pytest.raises(BadFileError, match=words):
        read(data, 12)
    with pytest.raises(BadFileError, match=r"train with .*channels=13 to"):
        read(data, 3)
    inks = tiff(NARROW[..., :5], 5, extra=(0,))
    with pytest.raises(BadFileError, match="of 5: bands that are not inks"):
        read(inks, 5)
    many = np.concatenate([NARROW, NARROW[..., :1]], -1)
    with pytest.raises(BadFileError, match="17 bands, more than 16"):
        read(tiff(many, extra=(0,) * 16), 16)


CODECS = {
    "none": {},
    "deflate": {"compression": "deflate"},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd"},
    "deflate, predictor": {"compression": "deflate", "predictor": True},
    "lzw, predictor": {"compression": "lzw", "predictor": True},
    "zstd, predictor": {"compression": "zstd", "predictor": True},
}


def written(values, **how):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **how)
    return file.getvalue()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_codecs_tiles_and_byte_orders(codec, tile, order):
    for values in (NARROW[..., :3], WIDE[..., :3]):
        how = CODECS[codec] | {"tile": tile, "byteorder": order}
        found = read(written(values, photometric="rgb", **how), 3)
        right = values if values.itemsize == 1 else by_type(values)
        np.testing.assert_array_equal(found, right)
    planes = np.moveaxis(WIDE[..., :3], -1, 0)
    how |= {"photometric": "rgb", "planarconfig": "separate"}
    found = read(written(planes, **how), 3)
    np.testing.assert_array_equal(found, by_type(WIDE[..., :3]))


def test_jpeg_inside_a_tiff():
    values = np.stack([RAMP, RAMP // 2, 255 - RAMP], -1)
    data = written(
        values,
        photometric="rgb",  # stored as YCbCr
        compression="jpeg",
        compressionargs={"level": 98},
    )
    assert np.abs(read(data, 3).astype(int) - values).max() <= 6
    with pytest.raises(BadFileError, match=r"packed with JPEG.*changes ids"):
        grey = written(RAMP, compression="jpeg")
        stored_masks.read_stored("m.tif", grey)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff(orientation):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    values = NARROW[..., :3]
    Image.fromarray(values).save(file, "PNG", exif=exif)
    # As the same tag of a PNG, which Pillow's exif_transpose turns.
    right = read(file.getvalue(), 3)
    found = read(tiff(values, 2, orientation=orientation), 3)
    np.testing.assert_array_equal(found, right)


def test_white_may_be_zero_and_bits_may_be_few():
    inverted = tiff(RAMP, photometric=0)
    np.testing.assert_array_equal(read(inverted, 1)[..., 0], 255 - RAMP)
    for bits in (1, 2, 4):
        values = (RAMP % 2**bits).astype(np.uint8)
        data = written(values, bitspersample=bits, photometric="minisblack")
        right = values * np.uint8(255 // (2**bits - 1))
        np.testing.assert_array_equal(read(data, 1)[..., 0], right)
        mask = stored_masks.read_stored("m.tif", data)
        np.testing.assert_array_equal(mask.values, values)
        assert mask.kind == ("bits" if bits == 1 else "grey")
    twelve = written((RAMP.astype(np.uint16) * 30), bitspersample=12)
    right = np.round(RAMP * 30.0 * 255 / 4095)
    np.testing.assert_array_equal(read(twelve, 1)[..., 0], right)


def test_palettes_cmyk_and_ycbcr():
    image = Image.fromarray(NARROW[..., :3])
    for mode, tolerance in (("P", 0), ("CMYK", 0), ("YCbCr", 2)):
        turned = image.convert(mode)
        file = io.BytesIO()
        turned.save(file, "TIFF")
        right = np.asarray(turned.convert("RGB")).astype(int)
        found = read(file.getvalue(), 3)
        assert np.abs(found - right).max() <= tolerance, mode


def test_floats_have_the_range_that_is_given():
    values = np.linspace(-1, 3, 33 * 47).reshape(33, 47).astype(np.float32)
    values[0, :5] = np.nan
    data = tiff(values, sample_format=3)
    found = read(data, 1, (0.0, 2.0))[..., 0]
    right = np.floor(np.clip(values.astype(float), 0, 2) * 127.5 + 0.5)
    right[0, :5] = 0
    np.testing.assert_array_equal(found, right)
    with pytest.raises(BadFileError, match=r"float32 .*--config.data.range="):
        read(data, 1)


def test_signed_values_are_scaled_over_their_type():
    values = np.array([[-32768, 0, 32767]], np.int16)
    found = read(tiff(values, sample_format=2), 1)[0, :, 0]
    assert found.tolist() == [0, 128, 255]


def lab():
    file = io.BytesIO()
    Image.fromarray(NARROW[..., :3]).convert("LAB").save(file, "TIFF")
    return file.getvalue()


REFUSED = {
    "the colour space CIELAB": lab(),
    "is a stack of pages": tiff(RAMP, pages=3),
    "17 bands, more than 16": tiff(np.zeros((4, 4, 17), np.uint8)),
    "a palette of more than 256": written(
        WIDE[..., 0], photometric="palette", colormap=np.zeros((3, 65536), "H")
    ),
    "cannot be decoded": tiff(RAMP)[:200],
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_understood_is_refused_by_name(words):
    with pytest.raises(BadFileError, match=rf"a\.tif .*{words}") as error:
        read(REFUSED[words], 3)
    assert "\n" not in str(error.value)


def test_thumbnails_and_overviews_are_not_pages():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(RAMP)
        writer.write(RAMP[::2, ::2].copy(), subfiletype=1)
        writer.write(RAMP > 9, subfiletype=4)
    np.testing.assert_array_equal(read(file.getvalue(), 1)[..., 0], RAMP)


@pytest.mark.parametrize("kind", ["i1", "u1", "<i4", "<u4", "<f4", "<u2"])
def test_ids_of_any_type_are_masks(kind):
    ids = (RAMP % 3).astype(kind)
    form = {"i": 2, "u": 1, "f": 3}[ids.dtype.kind]
    mask = stored_masks.read_stored("m.tif", tiff(ids, sample_format=form))
    assert mask.kind == "grey" and mask.values.dtype == np.uint8
    np.testing.assert_array_equal(mask.values, RAMP % 3)


@pytest.mark.parametrize("value", [-1, 256, 0.5])
def test_values_that_are_not_ids_are_refused(value):
    ids = np.full((4, 4), value, np.float32)
    data = tiff(ids, sample_format=3)
    with pytest.raises(BadFileError, match=rf"m\.tif holds the value {value}"):
        stored_masks.read_stored("m.tif", data)
