"""Large TIFFs: windows of the file in, GeoTIFFs in the image's place out."""

import sys
import warnings
from typing import ClassVar

import numpy as np
import pytest
import tifffile

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configs import folder as folder_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.tiff_windows import Place, TiffWindows
from ipixmatch_jax.data.source import BadFileError, pixels
from ipixmatch_jax.models import registry
from ipixmatch_jax.predict import (
    blended_windows,
    files,
    large_files,
    model,
    scene_progress,
)
from ipixmatch_jax.predict import workdir as predict_run
from ipixmatch_jax.utils.errors import RunError
from tests import golden, two_convolutions

rasterio = pytest.importorskip("rasterio")
NotGeoreferencedWarning = rasterio.errors.NotGeoreferencedWarning

SIZE = (150, 201)
RANGE = (100.0, 3000.0)
TRANSFORM = (10.0, 0.0, 500000.0, 0.0, -10.0, 6000000.0)


def write_tiff(path, values, **options):
    """A tiled GeoTIFF of [bands, H, W]; options of rasterio."""
    bands, height, width = values.shape
    placed = {"crs": "EPSG:32633", "transform": rasterio.Affine(*TRANSFORM)}
    made = {"tiled": True, "blockxsize": 64, "blockysize": 64, **placed}
    made |= {"compress": "deflate", **options}
    shape = {"count": bands, "height": height, "width": width}
    with rasterio.open(
        path, "w", driver="GTiff", dtype=values.dtype, **shape, **made
    ) as file:
        file.write(values)


def scene(size=SIZE, bands=4, seed=0):
    """Blocks of 9 pixels and noise, uint16 [bands, H, W]."""
    rng = np.random.default_rng(seed)
    height, width = size
    coarse = rng.integers(0, 2500, (bands, height // 9 + 1, width // 9 + 1))
    blocks = coarse.repeat(9, 1).repeat(9, 2)[:, :height, :width]
    noise = rng.integers(0, 600, (bands, *size))
    return (blocks + noise).astype(np.uint16)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four bands of 16 bits with random weights."""
    path = tmp_path_factory.mktemp("run")
    config = folder_config.get_config("tiny")
    config.data.channels = 4
    config.data.range = "100,3000"
    config.data.normalisation = "data"
    config.data.mean, config.data.std = "0.5,0.5,0.5,0.4", "0.2,0.2,0.3,0.2"
    config.data.crop_size = 64
    config.model.backbone = two_convolutions.NAME
    config.model.num_classes = 3
    config.evaluate.batch_size = 3
    saved.save_config(config, path)
    network = registry.build(
        two_convolutions.NAME,
        3,
        mean=(0.5, 0.5, 0.5, 0.4),
        std=(0.2, 0.2, 0.3, 0.2),
    )
    weights = golden.random_variables(network, 1)
    trees = {"student": weights, "teacher": weights}
    with Checkpoints(path) as checkpoints:
        best = Saved(50.0, 7, "student")
        checkpoints.save(7, trees, best, config.to_dict(), 50.0)
        checkpoints.wait()
    return path


def read_tiff(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            return file.read(1), file.profile, file.colormap(1)


@pytest.mark.slow
def test_one_window_predicts_as_the_whole_image(run, tmp_path):
    write_tiff(tmp_path / "a.tif", scene())
    out = tmp_path / "out"
    done = predict_run.predict_workdir(
        run,
        tmp_path / "a.tif",
        out,
        kinds=("overlays", "confidence"),
        window=256,
        geotiff=True,
    )
    assert done == (1, 0, 0)
    ids, profile, colours = read_tiff(out / "predictions/a.tif")
    trained = model.load_model(run)
    whole = trained.probabilities(str(tmp_path / "a.tif"), window=0)
    np.testing.assert_array_equal(ids, whole.argmax(-1))
    assert len(np.unique(ids)) == 3
    assert profile["crs"].to_epsg() == 32633
    assert tuple(profile["transform"])[:6] == TRANSFORM
    assert profile["nodata"] == 255 and profile["tiled"]
    assert profile["blockxsize"] == 512
    shown = tuple(colours[k][:3] for k in range(3))
    assert shown == trained.palette
    with rasterio.open(out / "confidence/a.tif") as file:
        np.testing.assert_allclose(file.read(1), 255 * whole.max(-1), atol=0.51)
        assert file.nodata == 0
    assert not (out / "overlays/a.tif").exists()


@pytest.mark.slow
def test_the_blend_is_that_of_windows_predicted_one_by_one(run, tmp_path):
    write_tiff(tmp_path / "a.tif", scene())
    out = tmp_path / "out"
    predict_run.predict_workdir(
        run, tmp_path, out, window=64, overlap=20, geotiff=True
    )
    trained = model.load_model(run)
    image = pixels(decode.read_image(str(tmp_path / "a.tif"), None, 4, RANGE))
    grid = blended_windows.make_grid(SIZE, 64, 20)
    total = np.zeros((*SIZE, 3))
    weights = [
        blended_windows.axis_weights(starts, 64, length)
        for starts, length in zip(grid[:2], SIZE, strict=True)
    ]
    for top, down in zip(grid.rows, weights[0], strict=True):
        for left, across in zip(grid.columns, weights[1], strict=True):
            part = np.s_[top : top + 64, left : left + 64]
            shares = trained.probabilities(image[part], window=0)
            total[part] += shares * down[:, None, None] * across[:, None]
    ids, _, _ = read_tiff(out / "predictions/a.tif")
    second, first = np.moveaxis(np.sort(total, -1)[..., -2:], -1, 0)
    clear = first - second > 1e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(ids[clear], total.argmax(-1)[clear])


@pytest.mark.slow
def test_no_data_becomes_void_and_a_repeated_command_skips(run, tmp_path):
    values = scene()
    values[:, 20:50, 100:] = 0
    values[1, :10] = 0  # One band of four: there is data.
    tifffile.imwrite(  # without a georeference
        tmp_path / "a.tif",
        values,
        photometric="minisblack",
        planarconfig="separate",
        tile=(64, 64),
        compression="deflate",
        extratags=[(42113, 2, 0, "0", True)],  # GDAL's nodata
    )
    (tmp_path / "bad.tif").write_bytes(b"II*\0 cut")
    out = tmp_path / "out"
    words = (run, tmp_path, out)
    assert predict_run.predict_workdir(*words, geotiff=True) == (1, 0, 1)
    ids, profile, _ = read_tiff(out / "predictions/a.tif")
    void = np.zeros(SIZE, bool)
    void[20:50, 100:] = True
    np.testing.assert_array_equal(ids == 255, void)
    assert profile["crs"] is None
    assert predict_run.predict_workdir(*words, geotiff=True) == (0, 1, 1)
    with pytest.raises(ValueError, match="overlap None there, 3 here"):
        predict_run.predict_workdir(*words, geotiff=True, overlap=3)


@pytest.mark.slow
def test_a_damaged_file_leaves_no_half_output(run, tmp_path):
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 65535, (4, 300, 300))
    write_tiff(path, noise.astype(np.uint16))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 90_000] = bytes(90_000)
    path.write_bytes(data)
    out = tmp_path / "out"
    done = predict_run.predict_workdir(run, path, out, window=64, geotiff=True)
    assert done == (0, 0, 1)
    assert not list((out / "predictions").iterdir())


@pytest.mark.slow
def test_windows_that_do_not_fit_are_refused(run):
    trained = model.load_model(run)
    with pytest.raises(ValueError, match="--overlap=64 is not smaller"):
        large_files.choose_overlap(trained, 64, 64)
    with pytest.raises(ValueError, match="--window=0 cuts no image"):
        large_files.choose_overlap(trained, 0, None)
    assert large_files.choose_overlap(trained, 64, None) == (64, 16)


WAYS = {
    "grey": (1, 1, {}),
    "two": (2, 2, {}),
    "rgb": (3, 3, {"photometric": "rgb"}),
    "rgb_of_four": (4, 3, {"photometric": "rgb"}),
    "planes": (4, 4, {"interleave": "band"}),
    "pixels": (4, 4, {"interleave": "pixel"}),
    "twelve_planes": (12, 12, {"interleave": "band"}),
    "sixteen": (16, 16, {"interleave": "pixel"}),
    "white_is_zero": (1, 1, {"photometric": "miniswhite"}),
    "strips": (4, 4, {"tiled": False, "blockxsize": None, "blockysize": 7}),
    "lzw": (4, 4, {"compress": "lzw", "predictor": 2}),
    "big": (4, 4, {"bigtiff": "yes"}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_window_is_that_part_of_the_decoded_image(way, dtype, tmp_path):
    bands, channels, options = WAYS[way]
    if (way, dtype) == ("lzw", np.float32):
        options = {"compress": "lzw", "predictor": 3}
    path = str(tmp_path / "a.tif")
    values = scene(bands=bands)
    values = (values / 13 if dtype == np.uint8 else values).astype(dtype)
    options = {k: v for k, v in options.items() if v is not None}
    write_tiff(path, values, **options)
    whole = pixels(decode.read_image(path, None, channels, RANGE))
    with TiffWindows(path, channels, RANGE) as image:
        assert image.size == SIZE
        for place in (Place(0, 0, *SIZE), Place(31, 60, 70, 141)):
            top, left, height, width = place
            np.testing.assert_array_equal(
                image.read(place),
                whole[top : top + height, left : left + width],
            )


def test_alpha_masks_and_nan_are_no_data(tmp_path):
    path = str(tmp_path / "a.tif")
    values = (scene() / 13).astype(np.uint8)
    values[3] = 255
    values[3, 5:9, 7:30] = 0
    gap = np.zeros(SIZE, bool)
    gap[5:9, 7:30] = True
    everything = Place(0, 0, *SIZE)
    write_tiff(path, values, photometric="rgb", alpha="yes")
    with TiffWindows(path, 3) as image:
        np.testing.assert_array_equal(image.find_gaps(everything), gap)
    with TiffWindows(path, 4) as image:  # Here it is a band of the image.
        assert not image.find_gaps(everything).any()
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_tiff(path, values[:3])
        with rasterio.open(path, "r+") as file:
            file.write_mask(~gap)
    with TiffWindows(path, 3) as image:
        np.testing.assert_array_equal(image.find_gaps(everything), gap)
    floats = values[:3].astype(np.float32)
    floats[:, gap] = np.nan
    floats[0, 20] = np.nan
    write_tiff(path, floats)
    with TiffWindows(path, 3, (0.0, 255.0)) as image:
        np.testing.assert_array_equal(image.find_gaps(everything), gap)


@pytest.mark.parametrize(
    ("terminal", "times"),
    [(True, [0, 0.1, 0.6, 0.7]), (False, [0, 29, 31, 32])],
)
def test_the_bar_says_how_far_a_scene_is(terminal, times, monkeypatch):
    class Bar:
        said: ClassVar = []

        def set_postfix_str(self, text, refresh=True):
            self.said.append((text, refresh))

    Bar.said.clear()
    clock = iter(times)
    monkeypatch.setattr(scene_progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    progress = scene_progress.SceneProgress(Bar(), "a", 3000)
    assert list(progress.count("xy")) == ["x", "y"]
    progress.clear()
    assert Bar.said == [
        ("a: 0 of 3,000 windows", True),
        ("a: 2 of 3,000 windows", True),
        ("", False),
    ]


def test_files_that_windows_cannot_take_are_named(tmp_path):
    path = tmp_path / "a.tif"
    write_tiff(path, scene(bands=5))
    with (
        TiffWindows(str(path), 4) as image,
        pytest.raises(BadFileError, match=r"a\.tif has 5 bands"),
    ):
        image.read(Place(0, 0, 9, 9))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BadFileError, match=r"a\.tif"):
        TiffWindows(str(path), 4)


def test_large_tiffs_alone_need_rasterio(tmp_path, monkeypatch):
    write_tiff(tmp_path / "a.tif", scene())
    (tmp_path / "b.png").write_bytes(b"no tiff")
    items = files.find_images(tmp_path, tmp_path / "out")
    assert [i.name for i in large_files.find_large(items, True)] == ["a"]
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert large_files.find_large(items) == []
    monkeypatch.setattr(large_files.tiff_windows, "LARGE_SCENE", 30_000)
    brings = r"a\.tif .*`pip install 'ipixmatch_jax\[geo\]'` brings it"
    with pytest.raises(RunError, match=brings):
        large_files.find_large(items)


def test_geotiffs_of_no_tiff_are_refused():
    with pytest.raises(ValueError, match=r"^--geotiff .*: leave it out\.$"):
        large_files.check_geotiff([files.Item("a.png", "a")])
    large_files.check_geotiff([files.Item("a.TIF", "a")])


def test_a_large_tiff_does_not_become_a_label_tools_file():
    scene = files.Item("scene.tif", "scene")
    large_files.check_format([scene], "masks")
    large_files.check_format([], "coco")
    with pytest.raises(ValueError, match=r"scene\.tif .*leave --format out"):
        large_files.check_format([scene], "coco")
