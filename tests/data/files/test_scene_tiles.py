"""Large scenes: masks looked through in windows, val scored in tiles."""

import pickle

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from ipixmatch_jax.data.check.inspect import check_data
from ipixmatch_jax.data.class_counts import count_classes
from ipixmatch_jax.data.datasets import folder
from ipixmatch_jax.data.files import (
    large_masks,
    open_file,
    scene_tiles,
    stored_masks,
    windowed_image,
)
from ipixmatch_jax.data.files.mask_contents import mask_content
from ipixmatch_jax.data.source import BadFileError, pixels
from ipixmatch_jax.evaluate.evaluator import make_evaluator
from ipixmatch_jax.models import registry
from tests import golden, two_convolutions

pytest.importorskip("rasterio")

SIZE = (130, 210)


@pytest.fixture(autouse=True)
def small_files_are_large(monkeypatch):
    """Files above 100x100 pixels cannot be decoded whole, tiles have 64."""
    monkeypatch.setattr(windowed_image, "LARGE", 100 * 100)
    monkeypatch.setattr(windowed_image, "_BLOCK", 48)
    monkeypatch.setattr(open_file, "MAX_PIXELS", 100 * 100)
    monkeypatch.setattr(scene_tiles, "LARGE_SCENE", 100 * 100)
    monkeypatch.setattr(scene_tiles, "TILE", 64)
    windowed_image.is_windowed.cache_clear()
    yield
    windowed_image.is_windowed.cache_clear()


def write(path, values, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"tile": (32, 48), "compression": "deflate", **options}
    tifffile.imwrite(path, values, metadata=None, **options)
    return str(path)


def drawn(i, size=SIZE):
    """An image uint8 [H, W, 3] and its ids uint8 [H, W], 255 among them."""
    rng = np.random.default_rng(i)
    ids = rng.integers(0, 3, (size[0] // 9 + 1, size[1] // 9 + 1))
    ids = ids.repeat(9, 0).repeat(9, 1)[: size[0], : size[1]].astype(np.uint8)
    noise = rng.integers(0, 60, (*size, 3))
    image = (noise + 60 * ids[..., None]).astype(np.uint8)
    ids[:7, :11] = 255
    return image, ids


@pytest.fixture
def data(tmp_path):
    """Two labelled scenes, one of val, and a small image of val."""
    for i, (part, size) in enumerate(
        [("", SIZE), ("", SIZE), ("val/", SIZE), ("val/", (40, 50))]
    ):
        image, ids = drawn(i, size)
        write(tmp_path / f"{part}images/{i}.tif", image, photometric="rgb")
        write(tmp_path / f"{part}masks/{i}.tif", ids)
    (tmp_path / "classes.json").write_text('["a", "b", "c"]')
    return folder.open_set(str(tmp_path), "", "")


def test_tiles_cover_a_scene_once(data):
    image, ids = drawn(2)
    small = len(data.val) - 1
    assert small == 3 * 4
    assert data.val.name(small) == "val/images/3.tif"
    found = np.zeros(SIZE, int)
    for i in range(small):
        name, _, place = data.val.name(i)[:-1].partition("[")
        assert name == "val/images/2.tif"
        rows, columns = (
            slice(*map(int, part.split(":"))) for part in place.split(",")
        )
        found[rows, columns] += 1
        tile = data.val[i]
        np.testing.assert_array_equal(pixels(tile.image), image[rows, columns])
        for mask in (tile.mask, data.val.mask(i)):
            np.testing.assert_array_equal(mask, ids[rows, columns])
        assert data.val.size(i) == ids[rows, columns].shape
        assert max(data.val.size(i)) <= 64
    assert (found == 1).all()
    assert data.notes[-1] == (
        "1 scene of val with more than 10,000 pixels is scored in 12 tiles of "
        "at most 64x64 pixels, each of which counts as an image."
    )
    paths = [data.val.path(i) for i in range(len(data.val))]
    assert [bool(path) for path in paths] == [True, *[False] * 11, True]
    again = pickle.loads(pickle.dumps(data.val))
    np.testing.assert_array_equal(again[0].image, data.val[0].image)


def test_labelled_scenes_above_the_limit_of_decoding_are_counted(data):
    counts = count_classes(data.labelled, 3)
    ids = np.stack([drawn(0)[1], drawn(1)[1]])
    expected = np.bincount(ids.ravel(), minlength=256)
    np.testing.assert_array_equal(counts.pixels, expected[:3])
    assert counts.ignored == expected[255]
    report = check_data(data, crop_size=33, uses_unlabelled=False)
    assert not report.fails and not any(report.bad.values())
    assert any(f"{expected[0]:,} " in line for line in report.facts)


def test_a_scene_whose_mask_is_a_png_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(open_file, "MAX_PIXELS", 10**9)
    for i, part in enumerate(("", "val/")):
        image, ids = drawn(i)
        write(tmp_path / f"{part}images/{i}.tif", image)
        (tmp_path / f"{part}masks").mkdir()
        Image.fromarray(ids).save(tmp_path / f"{part}masks/{i}.png")
    (tmp_path / "classes.json").write_text('["a", "b", "c"]')
    data = folder.open_set(str(tmp_path), "", "")
    assert len(data.val) == 1 and data.val.size(0) == SIZE


def test_a_packed_folder_keeps_scenes_whole(data, tmp_path):
    packed = folder.open_contents(tmp_path)
    assert len(packed.splits["val"]) == 2


MASKS = {
    "ids": {},
    "rgb": {"photometric": "rgb"},
    "palette": {"photometric": "palette"},
    "wide": {},
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_in_windows_holds_what_it_holds_whole(
    kind, tmp_path, monkeypatch
):
    _, ids = drawn(5)
    values = {
        "ids": ids,
        "rgb": np.uint8([[9, 9, 9], [5, 0, 0], [0, 7, 0]])[ids % 3],
        "palette": ids,
        "wide": ids.astype(np.uint16) * 257,
    }[kind]
    options = dict(MASKS[kind])
    if kind == "palette":
        colours = np.random.default_rng(0).integers(0, 65536, (3, 256))
        colours[:, 7] = colours[:, 1]
        options["colormap"] = colours.astype(np.uint16)
    path = write(tmp_path / "mask.tif", values, **options)
    found = large_masks.read_content(path)
    with monkeypatch.context() as patch:
        patch.setattr(open_file, "MAX_PIXELS", 10**9)
        whole = mask_content(stored_masks.read_stored(path), path)
    assert found == whole


def test_16_bits_mean_the_same_in_all_windows(tmp_path):
    values = np.zeros(SIZE, np.uint16)
    values[3, 4], values[120, 200] = 5, 514
    path = write(tmp_path / "mask.tif", values)
    with pytest.raises(BadFileError, match=r"mask\.tif holds the value 514"):
        large_masks.read_content(path)


@pytest.mark.slow
@pytest.mark.usefixtures("data")
def test_the_scores_are_those_of_the_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr(scene_tiles, "TILE", 130)
    val = folder.open_set(str(tmp_path), "", "").val
    assert len(val) == 3
    network = registry.build(two_convolutions.NAME, 3)
    weights = jax.device_get(golden.random_variables(network, 3))
    evaluate = make_evaluator(
        network, mode="original", crop_size=33, num_classes=3, batch_size=4
    )
    found = evaluate({"student": weights}, val)["student"]
    forward = jax.jit(lambda x: network.apply(weights, x, False))
    expected = np.zeros((3, 3), int)
    mean, std = np.float32([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    for i in range(3):
        sample = val[i]
        x = (pixels(sample.image).astype(np.float32) / 255 - mean) / std
        guess = np.asarray(forward(x[None]))[0].argmax(-1)
        truth = np.asarray(sample.mask)
        there = truth != 255
        np.add.at(expected, (truth[there], guess[there]), 1)
    assert found.sum() == (drawn(2)[1] != 255).sum() + 40 * 50 - 77
    assert np.abs(found - expected).sum() <= 4  # ties of two classes
