"""Images of one channel, two, four and more: files, crops and views."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import pipeline, source
from ipixmatch_jax.data.augment import augseg, weak_strong
from ipixmatch_jax.data.augment.blur import gaussian_blur
from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.registry import open_data
from ipixmatch_jax.data.source import BadFileError, Sample
from tests.data import own_folder as own
from tests.data.tiff_files import tiff

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def drawn(channels, size=(40, 48), seed=0):
    shape = (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def encoded(values, kind="PNG", mode=None, **options):
    """The bytes of a file that holds uint8 [H, W, C]."""
    mode = mode or MODES[values.shape[-1]]
    image = Image.frombytes(mode, values.shape[1::-1], values.tobytes())
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data, channels):
    return source.pixels(decode.read_image("a file", data, channels))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_file_gives_its_channels_unchanged(channels):
    values = drawn(channels)
    found = read(encoded(values), channels)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("mode", ["RGBA", "RGBX"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_of_four_bands_with_any_name_of_the_last(mode, compression):
    values = drawn(4)
    data = encoded(values, "TIFF", mode, compression=compression)
    np.testing.assert_array_equal(read(data, 4), values)
    np.testing.assert_array_equal(read(data, 3), values[..., :3])


def test_one_channel_is_grey_or_the_luma_of_colours():
    grey = drawn(1)
    for data in (encoded(grey), encoded(grey.repeat(3, 2))):
        np.testing.assert_array_equal(read(data, 1), grey)
    rgb = drawn(3)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read(encoded(rgb), 1)[..., 0] - luma).max() <= 0.51
    jpeg = read(encoded(np.full((9, 9, 1), 77, np.uint8), "JPEG"), 1)
    np.testing.assert_array_equal(jpeg, np.full((9, 9, 1), 77))
    deep = io.BytesIO()
    wide = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + 7
    Image.fromarray(wide).save(deep, "PNG")
    np.testing.assert_array_equal(
        read(deep.getvalue(), 1)[..., 0], np.round(wide / 257)
    )


@pytest.mark.parametrize(
    ("there", "asked", "words"),
    [
        (3, 4, "has 3 channels .mode RGB.*channels=4 takes files of 4: RGB"),
        (1, 4, "has 1 channels .mode L"),
        (4, 2, "has 4 channels .*takes files of 2: grey and one more"),
        (3, 2, "has 3 channels"),
        (4, 6, "has 4 bands, .*channels=6 takes files of 6: train with "),
    ],
)
def test_a_file_with_other_channels_is_refused_by_name(there, asked, words):
    with pytest.raises(BadFileError, match=f"a file {words}"):
        read(encoded(drawn(there)), asked)


def test_premultiplied_colours_are_refused():
    values = drawn(4)
    data = encoded(values, "TIFF")
    at = data.index(b"\x52\x01\x03\x00\x01\x00\x00\x00\x02")  # extra samples
    multiplied = data[: at + 8] + b"\x01" + data[at + 9 :]
    with pytest.raises(BadFileError, match="multiplied by its alpha"):
        read(multiplied, 4)


def test_an_exif_rotation_rotates_all_channels():
    values = drawn(4, (12, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(values, exif=exif.tobytes())
    np.testing.assert_array_equal(read(data, 4), np.rot90(values, -1))


@pytest.mark.parametrize("channels", [2, 4, 5, 6, 12, 16])
def test_a_crop_of_several_channels_is_the_crop_of_each(channels):
    values = drawn(channels)
    values[..., -1] = np.where(values[..., -1] < 200, 0, 255)  # much 0
    data = encoded(values) if channels in MODES else tiff(values)
    image = decode.read_image("a file", data, channels)
    each = [Image.fromarray(values[..., k].copy()) for k in range(channels)]
    assert image.size == each[0].size
    assert image.histogram() == [n for one in each for n in one.histogram()]
    crop = weak_strong.Crop((30, 61), (0, 9), True)
    got = weak_strong.apply_crop(Sample(image, None), crop, 33)[0]
    assert got.shape == (33, 33, channels)
    for k, one in enumerate(each):
        alone = weak_strong.apply_crop(Sample(one, None), crop, 33)[0]
        np.testing.assert_array_equal(got[..., k], alone[..., 0])


def test_a_folder_of_four_channels_becomes_batches(tmp_path):
    own.make(tmp_path)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    for i in range(8):
        (tmp_path / f"images/{i}.png").write_bytes(encoded(drawn(4, seed=i)))
    data = open_data("folder", str(tmp_path), "", "", holdout=0.2, channels=4)
    found = source.pixels(data.labelled[0].image)
    name = data.labelled.name(0)
    seed = int(name.removeprefix("images/").removesuffix(".png"))
    np.testing.assert_array_equal(found, drawn(4, seed=seed))
    stream = pipeline.train_batches(
        data.labelled,
        data.unlabelled,
        batch_size=2,
        crop_size=33,
        seed=0,
        apply_views="host",
    )
    batch = stream[0]
    assert batch["labelled"]["image"].shape == (2, 33, 33, 4)
    assert batch["unlabelled"]["strong_1"].shape == (2, 33, 33, 4)


# Views.


def strong(count, size):
    rng = np.random.default_rng(1)
    drawn = [weak_strong.draw_strong(rng, size) for _ in range(count)]
    return weak_strong.StrongView(
        *(np.stack(x) for x in zip(*drawn, strict=True))
    )


def slow_alone(plane, view, i):
    """Brightness and contrast of one channel that is not a colour, float64."""
    for operation in view.order[i]:
        if operation < 2:
            reference = plane.mean() if operation == 1 else 0
            factor = np.float64(view.factors[i, operation])
            plane = np.clip(reference + factor * (plane - reference), 0, 1)
    return plane


@pytest.mark.parametrize("channels", [1, 2, 4, 12])
def test_a_channel_that_is_not_a_colour_gets_brightness_contrast_and_blur(
    channels,
):
    view = strong(24, 24)
    assert view.grey.any() and (view.hue != 0).any()
    x = np.stack([drawn(channels, (24, 24), i) for i in range(24)])
    x = weak_strong.to_unit_range(x, np)
    sharp = view._replace(sigma=np.zeros(24, np.float32))
    got = weak_strong.apply_strong(x, sharp, np)
    own_channels = range(3 if channels > 3 else 0, channels)
    for i in range(24):
        for k in own_channels:
            expected = slow_alone(np.float64(x[i, ..., k]), view, i)
            np.testing.assert_allclose(got[i, ..., k], expected, atol=1e-5)
    blurred = weak_strong.apply_strong(x, view, np)
    planes = np.moveaxis(got, -1, 1)
    np.testing.assert_allclose(
        np.moveaxis(blurred, -1, 1),
        gaussian_blur(planes, view.sigma, np),
        atol=1e-6,
    )
    if channels > 3:
        colours = weak_strong.apply_strong(x[..., :3], view, np)
        np.testing.assert_array_equal(blurred[..., :3], colours)
    if channels <= 4:  # The programs of more are like that of 4.
        on_device = jax.jit(lambda x, v: weak_strong.apply_strong(x, v, jnp))
        np.testing.assert_allclose(on_device(x, view), blurred, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_every_operation_of_augseg_takes_any_channels(channels):
    x = np.stack([drawn(channels, (20, 20), i) for i in range(11)])
    x = weak_strong.to_unit_range(x, np)
    magnitudes = [0, 0, 0, 1.3, 0.4, 0.6, 0.3, 0.5, 5, 100, 0.2]
    view = augseg.Intensity(
        np.stack([np.arange(11), *np.zeros((2, 11))], 1).astype(np.int32),
        np.stack([magnitudes, *np.zeros((2, 11))], 1).astype(np.float32),
    )
    got = augseg.apply_intensity(x, view, np)
    if channels <= 4:  # The programs of more are like that of 4.
        on_device = jax.jit(lambda x, v: augseg.apply_intensity(x, v, jnp))
        np.testing.assert_allclose(on_device(x, view), got, atol=2e-4)
    last = np.float64(x[..., -1])
    mean = last.mean((1, 2))
    np.testing.assert_allclose(
        got[4, ..., -1], mean[4] + 0.4 * (last[4] - mean[4]), atol=1e-6
    )
    np.testing.assert_array_equal(got[[6, 10], ..., -1], x[[6, 10], ..., -1])
    if channels > 3:
        colours = augseg.apply_intensity(x[..., :3], view, np)
        np.testing.assert_array_equal(got[..., :3], colours)
