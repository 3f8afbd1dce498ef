"""Precision, calibration and boundary IoU against slow loops."""

import argparse
import pathlib

import numpy as np
import pytest

from benchmarks import label_quality, quality_numbers
from ipixmatch_jax.configs import folder
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.models import registry as model_registry
from tests import golden
from tests.data import own_folder

CLASSES = 4


def draw(seed, height=13, width=17):
    """Patches of ids, their confidences, and a truth near them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, CLASSES - 1, (5, 6))
    ids = np.kron(coarse, np.ones((3, 3), int))[:height, :width]
    truth = np.roll(ids, rng.integers(0, 2, 2), (0, 1))
    truth[rng.random(truth.shape) < 0.1] = 255
    return ids, rng.random(ids.shape).astype(np.float32), truth


@pytest.fixture
def images():
    return [draw(seed) for seed in range(3)]


def counted(images, threshold=0.6, distance=0.1):
    quality = quality_numbers.Quality(CLASSES, threshold, distance)
    for image in images:
        quality.add(*image)
    return quality


def pixels_of(images):
    """(id, confidence, truth) of every pixel that counts."""
    for image in images:
        for k, p, t in zip(*(part.ravel() for part in image), strict=True):
            if t != 255:
                yield int(k), float(p), int(t)


def test_confident_share_and_precision_by_class(images):
    quality = counted(images)
    for k in range(CLASSES):
        given = [p for p in pixels_of(images) if p[0] == k]
        sure = [p for p in given if p[1] >= 0.6]
        right = [p for p in sure if p[2] == k]
        share = len(sure) / len(given) if given else 0
        precision = len(right) / len(sure) if sure else 0
        assert quality.confident_share_by_class[k] == pytest.approx(share)
        assert quality.precision_by_class[k] == pytest.approx(precision)
    every = list(pixels_of(images))
    sure = [p for p in every if p[1] >= 0.6]
    right = [p for p in sure if p[0] == p[2]]
    assert quality.confident_share == pytest.approx(len(sure) / len(every))
    assert quality.precision == pytest.approx(len(right) / len(sure))


def test_calibration_error(images):
    every = list(pixels_of(images))
    expected = 0.0
    for i in range(15):
        inside = [p for p in every if i / 15 < p[1] <= (i + 1) / 15]
        if inside:
            confidence = np.mean([p[1] for p in inside])
            hits = np.mean([p[0] == p[2] for p in inside])
            expected += len(inside) / len(every) * abs(confidence - hits)
    assert counted(images).calibration_error == pytest.approx(expected)


def test_calibration_error_by_hand():
    quality = quality_numbers.Quality(2, 0.5)
    ids, truth = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 255]])
    quality.add(ids, np.array([[0.9, 0.9, 1.0, 0.2]]), truth)
    # Two at 0.9 of which one hits, one at 1 that hits: 2/3 * 0.4.
    assert quality.calibration_error == pytest.approx(0.8 / 3)


def near_the_contour(mask, width):
    """As the definition has it, pixel by pixel."""
    rows, cols = mask.shape
    out = np.zeros_like(mask)
    reach = range(-width, width + 1)
    for i in range(rows):
        for j in range(cols):
            out[i, j] = mask[i, j] and any(
                not (0 <= i + y < rows and 0 <= j + x < cols)
                or not mask[i + y, j + x]
                for y in reach
                for x in reach
            )
    return out


@pytest.mark.parametrize("distance", [0.02, 0.1])
def test_boundary_iou(images, distance):
    width = max(1, round(distance * np.hypot(13, 17)))
    both, either = np.zeros(CLASSES), np.zeros(CLASSES)
    for ids, _, truth in images:
        for k in range(CLASSES):
            a = near_the_contour(ids == k, width) & (truth != 255)
            b = near_the_contour(truth == k, width) & (truth != 255)
            both[k] += (a & b).sum()
            either[k] += (a | b).sum()
    expected = 100 * np.mean(both / (either + 1e-10))
    assert 0 < expected < 75  # The last class is nowhere.
    actual = counted(images, distance=distance).boundary_iou
    assert actual == pytest.approx(expected)


def test_nothing_counted_is_zero():
    quality = counted([])
    assert (quality.precision, quality.boundary_iou) == (0, 0)
    assert quality.calibration_error == 0


@pytest.fixture
def config(tmp_path):
    """Two labelled and four other images, all of which have masks."""
    root = own_folder.make(tmp_path / "data", images=8, masks=8)
    lists = tmp_path / "data/splits"
    lists.mkdir()
    for name, some in (("labeled", (0, 1)), ("unlabeled", (2, 3, 4, 5))):
        lines = [f"images/{i}.jpg masks/{i}.png" for i in some]
        (lists / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (lists / "val.txt").write_text("images/6.jpg masks/6.png\n")
    c = folder.get_config("tiny")
    c.data.root = str(root)
    c.model.num_classes = 3
    return c


def test_the_unlabelled_images_with_their_masks(config):
    data = label_quality.open_unlabelled(config, 3)
    names = [data.labelled.name(i) for i in range(len(data.labelled))]
    assert names == ["images/2.jpg", "images/4.jpg", "images/5.jpg"]
    assert data.val.name(0) == "images/6.jpg"
    for i, name in enumerate(names):
        expected = own_folder.ids(int(pathlib.Path(name).stem))
        np.testing.assert_array_equal(data.labelled[i].mask, expected)
    assert config.data.splits_dir == ""


def test_a_run_is_measured(config, monkeypatch, tmp_path):
    network = model_registry.build("tiny", 3)
    variables = {"teacher": golden.random_variables(network)}
    trained = restore.Trained(
        tmp_path, config, None, 7, "teacher", network, variables, None
    )
    monkeypatch.setattr(restore, "restore_networks", lambda *_: trained)
    args = argparse.Namespace(
        workdir=tmp_path, checkpoint="last", set="val", images=9
    )
    found = label_quality.measure(args)
    assert (found["network"], found["step"], found["images"]) == (
        "teacher",
        7,
        1,
    )
    assert len(found["precision_by_class"]) == 3
    assert 0 <= found["calibration_error"] <= 1
