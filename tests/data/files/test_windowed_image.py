"""Crops read in windows against crops of the image decoded whole."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image

from ipixmatch_jax.data import value_range
from ipixmatch_jax.data.augment import weak_strong
from ipixmatch_jax.data.datasets import folder
from ipixmatch_jax.data.files import (
    decode,
    open_file,
    tiff_windows,
    windowed_image,
)
from ipixmatch_jax.data.files.file_source import FileSource
from ipixmatch_jax.data.files.windowed_image import WindowedImage
from ipixmatch_jax.data.source import BadFileError, Sample, pixels
from ipixmatch_jax.utils.errors import RunError

pytest.importorskip("rasterio")

SIZE = (210, 330)


@pytest.fixture(autouse=True)
def small_files_are_large(monkeypatch):
    monkeypatch.setattr(windowed_image, "LARGE", 200 * 200)
    windowed_image.is_windowed.cache_clear()
    yield
    windowed_image.is_windowed.cache_clear()


def values(bands, dtype=np.uint16, size=SIZE, seed=0):
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 4000, (*size, bands))
    return (drawn if dtype == np.uint16 else drawn // 16).astype(dtype)


def write(path, array, tile=(64, 48), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(
        path, array, tile=tile, compression="deflate", metadata=None, **options
    )
    return str(path)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("size", [SIZE, (660, 90), (90, 660)])
def test_crops_are_those_of_the_whole_image(channels, size, tmp_path):
    array = values(channels, size=size)
    planes = {} if channels == 1 else {"planarconfig": "contig"}
    path = write(tmp_path / "a.tif", array.squeeze(), **planes)
    scale = (0.0, 3900.0)
    whole = decode.read_image(path, None, channels, scale)
    part = WindowedImage(path, channels, scale)
    assert part.size == whole.size
    assert part.histogram() == whole.histogram()
    np.testing.assert_array_equal(pixels(part), pixels(whole))
    for seed in range(25):
        rng = np.random.default_rng(seed)
        crop = weak_strong.draw_crop(rng, size, 65)
        first, _, valid = weak_strong.apply_crop(Sample(whole, None), crop, 65)
        second, _, there = weak_strong.apply_crop(Sample(part, None), crop, 65)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(valid, there)


def test_a_crop_reads_the_part_that_it_shows(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", values(1).squeeze())
    image = WindowedImage(path, 1, (0.0, 4000.0))
    seen = []
    crop = WindowedImage.crop
    monkeypatch.setattr(
        WindowedImage,
        "crop",
        lambda self, box: seen.append(box) or crop(self, box),
    )
    place = weak_strong.Crop((420, 660), (200, 330), False)
    weak_strong.apply_crop(Sample(image, None), place, 60)
    assert seen == [(163, 98, 197, 132)]


def make_folder(root, mask_ending=".tif"):
    """Two labelled images and one without a mask, as TIFFs in tiles."""
    ids = np.random.default_rng(3).integers(0, 3, (2, *SIZE)).astype(np.uint8)
    for i in range(3):
        write(root / f"images/{i}.tif", values(3, seed=i), photometric="rgb")
    for i in range(2):
        if mask_ending == ".tif":
            write(root / f"masks/{i}.tif", ids[i])
        else:
            (root / "masks").mkdir(exist_ok=True)
            Image.fromarray(ids[i]).save(root / f"masks/{i}.png")
    (root / "classes.json").write_text(json.dumps(["a", "b", "c"]))


@pytest.mark.parametrize("mask_ending", [".tif", ".png"])
def test_a_folder_gives_the_same_crops_either_way(
    tmp_path, monkeypatch, mask_ending
):
    make_folder(tmp_path, mask_ending)

    def crops():
        data = folder.open_set(str(tmp_path), "", "", 0.5, 3, "0,4000")
        for source in (data.labelled, data.unlabelled, data.val):
            for seed in range(4):
                sample = source[0]
                rng = np.random.default_rng(seed)
                crop = weak_strong.draw_crop(rng, SIZE, 97)
                yield weak_strong.apply_crop(sample, crop, 97)

    windowed = list(crops())
    data = folder.open_set(str(tmp_path), "", "", 0.5, 3, "0,4000")
    assert isinstance(data.labelled[0].image, WindowedImage)
    counts = np.bincount(np.asarray(data.labelled.mask(0)).ravel(), None, 256)
    assert data.labelled.mask(0).histogram() == counts.tolist()
    monkeypatch.setattr(windowed_image, "LARGE", 10**9)
    windowed_image.is_windowed.cache_clear()
    for one, other in zip(windowed, crops(), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_range_is_measured_on_windows(tmp_path):
    make_folder(tmp_path)
    data = folder.open_set(str(tmp_path), "", "", 0.5)
    low, high = value_range.parse_range(data.value_range)
    assert 0 <= low < 10 and 3985 < high < 4000


def test_which_files_are_read_in_windows(tmp_path):
    rgb = values(3, np.uint8)
    tiled = write(tmp_path / "tiled.tif", rgb, photometric="rgb")
    strips = write(tmp_path / "b.tif", rgb, None, photometric="rgb")
    small = write(tmp_path / "c.tif", rgb[:99, :99], photometric="rgb")
    Image.fromarray(rgb).save(tmp_path / "d.png")
    lossy = str(tmp_path / "e.tif")
    tifffile.imwrite(lossy, rgb, tile=(64, 64), compression="jpeg")
    assert windowed_image.is_windowed(tiled)
    for path in (strips, small, str(tmp_path / "d.png"), lossy):
        assert not windowed_image.is_windowed(path)


def test_a_file_above_the_limit_of_decoding(tmp_path, monkeypatch):
    make_folder(tmp_path)
    monkeypatch.setattr(open_file, "MAX_PIXELS", 50_000)
    source = FileSource(tmp_path, [("images/2.tif", None)], 3)
    assert source.size(0) == SIZE
    assert source[0].image.crop((5, 6, 50, 70)).size == (45, 64)
    with pytest.raises(BadFileError, match="more than 50,000 pixels"):
        pixels(source[0].image)
    monkeypatch.setattr(
        windowed_image.tiff_windows, "import_rasterio", _not_installed
    )
    windowed_image.is_windowed.cache_clear()
    with pytest.raises(RunError, match=r"2\.tif needs"):
        source.size(0)


def _not_installed(path):
    raise RunError(f"{path} needs rasterio")


def test_files_without_a_georeference_open_in_threads_without_a_warning(
    tmp_path,
):
    path = write(tmp_path / "a.tif", values(1).squeeze())

    def open_often(_):
        for _ in range(20):
            tiff_windows.open_raster(path).close()

    with ThreadPoolExecutor(8) as pool:  # Warnings are errors here.
        list(pool.map(open_often, range(8)))


def test_a_damaged_tile_is_a_bad_file(tmp_path):
    path = tmp_path / "a.tif"
    write(path, values(1).squeeze())
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 9000] = bytes(9000)
    path.write_bytes(data)
    with pytest.raises(BadFileError, match=r"a\.tif cannot be decoded"):
        WindowedImage(str(path), 1, (0.0, 1.0)).histogram()
