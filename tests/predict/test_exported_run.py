"""The exported program reads images as `predict` does, or refuses them."""

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.predict import exported_run
from ipixmatch_jax.predict.export import describe_channels
from ipixmatch_jax.predict.images import read_image
from tests.data.own_folder import photograph

DEEP = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) * 30
RANGE = (1000.0, 40000.0)


def about(channels=3, ends=None):
    return {"channels": channels, "range": ends}


def same(path, channels=3, ends=None):
    ours = exported_run.read_image(str(path), about(channels, ends))
    theirs = read_image(path, channels, ends)
    np.testing.assert_array_equal(ours, theirs)
    return ours


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_8_bits(mode, channels, tmp_path):
    image = photograph(0).convert(mode)
    suffix = "jpg" if mode == "CMYK" else "png"
    image.save(tmp_path / f"a.{suffix}")
    same(tmp_path / f"a.{suffix}", channels)


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (4, "RGBA")])
def test_channels_beyond_the_colours(channels, mode, tmp_path):
    photograph(1).convert(mode).save(tmp_path / "a.png")
    same(tmp_path / "a.png", channels)
    photograph(1).save(tmp_path / "b.png")
    refused(tmp_path / "b.png", "mode RGB", channels)


def test_twelve_bands_come_as_an_array(tmp_path):
    photograph(1).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "of 12 channels: a .npy file", 12)
    assert describe_channels(12) == "12 bands in the images' order"
    values = np.random.default_rng(0).integers(0, 4000, (9, 8, 12))
    np.save(tmp_path / "a.npy", values.astype(np.uint16))
    low, high = np.arange(12) * 10, 3000 + np.arange(12) * 50
    ends = [low.tolist(), high.tolist()]
    found = exported_run.read_image(str(tmp_path / "a.npy"), about(12, ends))
    shares = np.clip((values - low) / (high - low), 0, 1)
    np.testing.assert_array_equal(found, np.floor(255 * shares + 0.5))


@pytest.mark.parametrize("ends", [None, RANGE])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_of_16_bits_is_scaled_over_the_range(ends, channels, tmp_path):
    Image.fromarray(DEEP).save(tmp_path / "a.png")
    found = same(tmp_path / "a.png", channels, ends)
    low, high = ends or (0, 65535)
    expected = np.clip((DEEP - low) * (255 / (high - low)), 0, 255)
    assert np.abs(found[..., 0] - expected).max() <= 0.5 + 1e-9
    values = np.repeat(DEEP[..., None], channels, -1)
    np.save(tmp_path / "a.npy", values)
    again = exported_run.read_image(
        str(tmp_path / "a.npy"), about(channels, ends)
    )
    np.testing.assert_array_equal(again, found)


def test_an_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(2).save(tmp_path / "a.jpg", exif=exif)
    assert same(tmp_path / "a.jpg").shape == (48, 40, 3)
    Image.fromarray(DEEP).save(tmp_path / "b.png", exif=exif)
    assert same(tmp_path / "b.png").shape == (48, 40, 3)


def refused(path, words, channels=3, ends=None):
    with pytest.raises(SystemExit) as end:
        exported_run.read_image(str(path), about(channels, ends))
    sentence = end.value.code
    assert words in sentence and path.name in sentence


def test_what_cannot_be_read_exactly_is_refused(tmp_path):
    import imagecodecs

    colours = np.stack([DEEP] * 3, -1)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(colours))
    refused(tmp_path / "a.png", "16 bits per channel")
    photograph(3).save(tmp_path / "a.tif")
    refused(tmp_path / "a.tif", "not a JPEG, PNG, WebP or BMP")
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 2), np.uint8))
    refused(tmp_path / "a.npy", "the network takes [height, width, 3]")
    np.save(tmp_path / "b.npy", np.zeros((4, 5, 3), np.float32))
    refused(tmp_path / "b.npy", "without a range")
    found = exported_run.read_image(str(tmp_path / "b.npy"), about(3, (-1, 1)))
    assert (found == 128).all()
