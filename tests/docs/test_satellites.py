"""Runs docs/satellites.md as written, on small drawn scenes."""

import numpy as np
import pytest

from benchmarks import large_geotiff
from tests.docs import page_commands

rasterio = pytest.importorskip("rasterio")

pytestmark = pytest.mark.slow

BLOCKS = page_commands.read_blocks("satellites.md")
SIZE = (60, 72)
PLACE = rasterio.Affine(10, 0, 500_000, 0, -10, 6_000_000)


def draw_bands(count, seed):
    """A bright field on noise, uint16 [count, 60, 72]."""
    rng = np.random.default_rng(seed)
    values = rng.integers(300, 2000, (count, *SIZE))
    values[:, 10:30, 20:50] += 4000
    return values.astype(np.uint16)


def write_scene(path, values):
    """A GeoTIFF in strips."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype=values.dtype,
        count=len(values),
        height=SIZE[0],
        width=SIZE[1],
        crs="EPSG:32633",
        transform=PLACE,
    ) as file:
        file.write(values)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The folder after all commands."""
    work = tmp_path_factory.mktemp("work")
    root = work / "DIR"
    field = np.zeros((1, *SIZE), np.uint8)
    field[:, 10:30, 20:50] = 1
    for i in range(5):
        write_scene(root / f"images/{i}.tif", draw_bands(4, i))
        if i < 3:
            write_scene(root / f"masks/{i}.tif", field)
    (root / "classes.json").write_text('["ground", "field"]')
    write_scene(work / "scene.tif", draw_bands(4, 9))
    write_scene(work / "sentinel2.tif", draw_bands(12, 9))
    (work / "runs").mkdir()
    large_geotiff.make_run(work / "runs/fields", 2)
    page_commands.run_blocks(BLOCKS, work, tmp_path_factory.mktemp("bin"))
    return work


def read(path):
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 32633 and file.transform == PLACE
        return file.read(), file.profile


def test_the_check_finds_nothing_that_stops_training(work):
    (said,) = (path.read_text() for path in work.glob("said/*_check"))
    assert "labelled: 2 images, 72x60 pixels" in said
    assert "4 of 4 training images" in said
    assert "Nothing here stops training." in said


def test_the_prediction_lies_where_the_scene_does(work):
    ids, about = read(work / "OUT/predictions/scene.tif")
    assert ids.shape == (1, *SIZE) and set(np.unique(ids)) <= {0, 1}
    assert about["nodata"] == 255
    confidence, about = read(work / "OUT/confidence/scene.tif")
    assert confidence.min() >= 127 and about["nodata"] == 0


def test_bands_are_picked_and_tiles_made(work):
    values, _ = read(work / "stacked.tif")
    bands = draw_bands(12, 9)
    np.testing.assert_array_equal(values, bands[[3, 2, 1, 7]])
    values, about = read(work / "tiled.tif")
    np.testing.assert_array_equal(values, draw_bands(4, 9))
    assert about["tiled"]
