"""Check, training and prediction of images of 12 and 16 bands."""

import json

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from ipixmatch_jax.configs import folder
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.data import normalisation
from ipixmatch_jax.data.check.inspect import check_data
from ipixmatch_jax.data.value_range import parse_range
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.predict import workdir as predict_run
from ipixmatch_jax.training import loop
from tests import two_convolutions

rasterio = pytest.importorskip("rasterio")

pytestmark = pytest.mark.slow

SIZE = (40, 48)
IMAGES, MASKS = 6, 4
CLASSES = {"background": [0, 0, 0], "water": [0, 0, 255]}
KINDS = {
    # Sentinel-2: reflectances times 10,000, pixel by pixel, a range for all.
    "sentinel": (12, np.uint16, "percentile", "contig"),
    "floats": (16, np.float32, "bands", "separate"),
}


def drawn(kind, i):
    """An image [40, 48, bands] whose bands have ranges of their own."""
    bands, dtype, _, _ = KINDS[kind]
    rng = np.random.default_rng(i)
    values = rng.random((*SIZE, bands)) * (1 + np.arange(bands) % 5)
    values[:10, :12] += 0.5
    if dtype == np.uint16:
        return (values * 1500 + 200).astype(dtype)
    return (values - 0.3).astype(dtype)


@pytest.fixture(scope="module", params=KINDS)
def run(request, tmp_path_factory):
    """(kind, folder of the images, folder of a run of two steps)."""
    root = tmp_path_factory.mktemp("images")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for i in range(IMAGES):
        planes = KINDS[request.param][3]
        values = drawn(request.param, i)
        tifffile.imwrite(
            root / f"images/{i}.tif",
            np.moveaxis(values, -1, 0) if planes == "separate" else values,
            photometric="minisblack",
            planarconfig=planes,
            metadata=None,
        )
    ids = np.zeros(SIZE, np.uint8)
    ids[:10, :12] = 1
    for i in range(MASKS):
        tifffile.imwrite(root / f"masks/{i}.tif", ids, metadata=None)
    (root / "classes.json").write_text(json.dumps(CLASSES))
    workdir = tmp_path_factory.mktemp("run")
    assert loop.train(config(request.param, root), workdir) == 0
    return request.param, root, workdir


def config(kind, root):
    bands, _, scale, _ = KINDS[kind]
    c = folder.get_config("tiny,method=fixmatch")
    c.model.backbone = two_convolutions.NAME
    c.data.root = str(root)
    c.data.crop_size = 33
    c.data.channels = bands
    c.data.range = scale
    c.data.normalisation = "data"
    c.train.batch_size = 2
    c.train.steps = c.train.eval_every = c.train.save_every = 2
    c.mesh.data = 1
    return c


def scaled(values, ends):
    """The values as 8 bits, by the definition, in float64."""
    low, high = map(np.asarray, ends)
    shares = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    return np.floor(255 * shares + 0.5)


def test_the_run_keeps_what_was_measured(run):
    kind, root, workdir = run
    bands, _, scale, _ = KINDS[kind]
    data = configuration.load_config(workdir).data
    val = open_data(config(kind, root)).val
    held = {val.name(i) for i in range(len(val))}
    used = [
        drawn(kind, i) for i in range(IMAGES) if f"images/{i}.tif" not in held
    ]
    pixels = np.stack(used).reshape(-1, bands).astype(np.float64)
    axis = 0 if scale == "bands" else None
    ends = parse_range(data.range)
    # A measured range is that of up to 20,000 values of each image.
    np.testing.assert_allclose(
        ends, np.percentile(pixels, (0.1, 99.9), axis), rtol=0.02, atol=1e-3
    )
    levels = scaled(pixels, ends) / 255
    for name, expected in (("mean", levels.mean(0)), ("std", levels.std(0))):
        found = normalisation.parse_numbers(name, data[name], bands)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_predictions_are_those_of_the_scaled_values(run, tmp_path):
    kind, _, workdir = run
    path = tmp_path / "scene.tif"
    values = drawn(kind, 9)
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 6_000_000)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype=values.dtype,
        count=values.shape[-1],
        height=SIZE[0],
        width=SIZE[1],
        crs="EPSG:32633",
        transform=place,
    ) as file:
        file.write(np.moveaxis(values, -1, 0))
    done = predict_run.predict_workdir(
        workdir, path, tmp_path / "geo", geotiff=True
    )
    assert done == (1, 0, 0)
    restored = restore.restore_networks(workdir, "best")
    data = restored.config.data
    mean, std = (
        np.float64(normalisation.parse_numbers(name, data[name]))
        for name in ("mean", "std")
    )
    levels = scaled(values, parse_range(data.range))
    x = np.float32((levels / 255 - mean) / std)[None]
    variables = jax.device_get(restored.variables[restored.better])
    logits = np.asarray(restored.network.apply(variables, x, False))[0]
    second, first = np.moveaxis(np.sort(logits, -1), -1, 0)
    clear = first - second > 1e-3
    assert clear.mean() > 0.95
    with rasterio.open(tmp_path / "geo/predictions/scene.tif") as file:
        ids = file.read(1)
        assert file.crs.to_epsg() == 32633 and file.transform == place
    np.testing.assert_array_equal(ids[clear], logits.argmax(-1)[clear])
    # As pictures: the first three bands below the colours.
    predict_run.predict_workdir(workdir, path, tmp_path / "pictures")
    overlay = np.asarray(Image.open(tmp_path / "pictures/overlays/scene.png"))
    colours = np.asarray([*CLASSES.values()])[ids]
    shown = (levels[..., :3].astype(int) + colours) // 2
    np.testing.assert_array_equal(overlay[clear], shown[clear])


def test_the_check_names_files_of_other_bands(run):
    kind, root, _ = run
    bands = KINDS[kind][0]
    good = open_data(config(kind, root))
    assert not check_data(good, crop_size=33).fails
    other = config(kind, root)
    other.data.channels, other.data.normalisation = 7, "imagenet"
    other.data.range = "0,1"
    report = check_data(open_data(other), crop_size=33)
    assert report.fails
    assert report.bad["labelled"][0].endswith(
        f".tif has {bands} bands, and config.data.channels=7 takes files of "
        f"7: train with --config.data.channels={bands} to read all, or "
        "write the 7 bands that are meant into a TIFF."
    )
