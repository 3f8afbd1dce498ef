"""A run on images of four channels, and every command on its workdir."""

import json
import zipfile

import jax
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import folder
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.data import normalisation, source
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment import score as evaluate_command
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import resolve_config
from ipixmatch_jax.experiment.resume import check_resume
from ipixmatch_jax.predict import workdir as predict_run
from ipixmatch_jax.suggest import examination
from ipixmatch_jax.training import loop
from tests import two_convolutions

pytestmark = pytest.mark.slow

SIZE = (40, 48)


def drawn(i):
    """An image, uint8 [40, 48, 4], whose last channel is much darker."""
    values = np.random.default_rng(i).integers(0, 256, (*SIZE, 4))
    return (values // [1, 1, 1, 8]).astype(np.uint8)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of six images and four masks; 15/16 is background."""
    root = tmp_path_factory.mktemp("images")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for i in range(6):
        picture = Image.frombytes("RGBA", SIZE[::-1], drawn(i).tobytes())
        picture.save(root / f"images/{i}.png")
    ids = np.zeros(SIZE, np.uint8)
    ids[:10, :12] = 1
    for i in range(4):
        Image.fromarray(ids).save(root / f"masks/{i}.png")
    classes = {"background": [0, 0, 0], "crack": [255, 0, 0]}
    (root / "classes.json").write_text(json.dumps(classes))
    return root


def config(root, method="supervised"):
    c = folder.get_config(f"tiny,method={method}")
    c.model.backbone = two_convolutions.NAME
    c.data.root = str(root)
    c.data.crop_size = 33
    c.data.channels = 4
    c.data.normalisation = "data"
    c.loss.labelled = "ce+dice"
    c.loss.class_weights = "balanced"
    c.train.batch_size = 2
    c.train.steps = c.train.eval_every = c.train.save_every = 1
    c.mesh.data = 1
    return c


@pytest.fixture(scope="module")
def workdir(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    assert loop.train(config(images), path) == 0
    return path


def test_the_run_keeps_what_it_measured(images, workdir):
    saved = configuration.load_config(workdir)
    used = [i for i in range(6) if f"images/{i}.png" not in held_out(images)]
    assert len(used) == 5
    pixels = np.stack([drawn(i) for i in used]).reshape(-1, 4) / 255
    mean = normalisation.parse_numbers("data.mean", saved.data.mean)
    std = normalisation.parse_numbers("data.std", saved.data.std)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-5)
    # 1920 pixels of which 120 are a crack: 1920 / (2 * 1800), and so on.
    assert saved.loss.class_weights == "0.533333,8.0"


def held_out(images):
    data = open_data(config(images))
    return {data.val.name(i) for i in range(len(data.val))}


def test_scores_name_the_foreground(workdir):
    result = json.loads((workdir / "results.json").read_text())
    for which in ("best", "last"):
        val = result[which]["val"]
        assert val["foreground_miou"] == val["iou"][1]
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    scores = [json.loads(x) for x in lines if "val_miou_student" in x]
    assert scores[0]["val_foreground_iou_student"] == val["iou"][1]


def test_it_is_continued_with_the_same_numbers(images, workdir, monkeypatch):
    def measured(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(normalisation, "measure_mean_and_std", measured)
    earlier = configuration.load_config(workdir)
    again = config(images)
    again.data.root = "a folder that has more images by now"
    data = open_data(config(images))
    again = resolve_config(again, data, earlier)
    assert len(check_resume(earlier, again, workdir)) == 1  # data.root
    assert again.data.mean == earlier.data.mean
    other = config(images)
    other.data.mean, other.data.std = "0.1,0.1,0.1,0.1", "1,1,1,1"
    with pytest.raises(ValueError, match=r"data.mean is '0.*data.std is"):
        check_resume(earlier, resolve_config(other, data, earlier), workdir)
    rgb = folder.get_config("tiny,method=supervised")
    with pytest.raises(ValueError, match=r"data.channels is 4 there and 3"):
        check_resume(earlier, resolve_config(rgb, data, earlier), workdir)


def bare(workdir, values):
    """Ids of one image from the network itself, normalised by the test."""
    run = restore.restore_networks(workdir, "best")
    mean, std = (
        np.float64(getattr(run.config.data, name).split(","))
        for name in ("mean", "std")
    )
    x = np.float32((values / 255 - mean) / std)[None]
    variables = jax.device_get(run.variables[run.better])
    forward = jax.jit(lambda x: run.network.apply(variables, x, False))
    logits = np.asarray(forward(x))[0]
    second, first = np.moveaxis(np.sort(logits, -1), -1, 0)
    return logits.argmax(-1), first - second > 1e-3


def test_predictions_use_all_four_channels(images, workdir, tmp_path):
    done = predict_run.predict_workdir(workdir, images / "images", tmp_path)
    assert done == (6, 0, 0)
    for i in (0, 5):
        ids, clear = bare(workdir, drawn(i))
        found = np.asarray(Image.open(tmp_path / f"predictions/{i}.png"))
        np.testing.assert_array_equal(found[clear], ids[clear])
        overlay = np.asarray(Image.open(tmp_path / f"overlays/{i}.png"))
        colours = np.array([[0, 0, 0], [255, 0, 0]])[found]
        half = (drawn(i)[..., :3].astype(int) + colours) // 2
        np.testing.assert_array_equal(overlay, half)


def test_the_exported_file_takes_four_channels(images, workdir, tmp_path):
    path = tmp_path / "model.zip"
    predict_run.export_workdir(workdir, path, size=48)
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("preprocessing.json"))
        model = jax.export.deserialize(bytearray(archive.read("model.bin")))
    saved = configuration.load_config(workdir).data
    assert normalisation.format_numbers(about["mean"]) == saved.mean
    assert normalisation.format_numbers(about["std"]) == saved.std
    assert "48, 4], RGB and one more channel, each image" in about["images"]
    batch = np.zeros((1, 48, 48, 4), np.uint8)
    batch[0, :40] = drawn(3)
    ids = np.asarray(model.call(batch, np.int32([SIZE]))[0])[0, :40]
    expected, clear = bare(workdir, drawn(3))
    np.testing.assert_array_equal(ids[clear], expected[clear])


def test_the_table_and_the_suggestions(images, workdir):
    table = evaluate_command.evaluate_workdir(workdir, "best", None)
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:-1]]
    assert rows == [
        "mean (mIoU)",
        "mean without background",
        "background",
        "crack",
    ]
    run = restore.restore_networks(workdir, "best")
    data = open_data(run.config)
    plan = examination.make_plan(data.unlabelled, run.network)
    examiner = examination.Examiner(run)
    (looks,) = examiner.examine_images(plan, list(plan.sizes))
    assert not plan.bad and looks[0].image.shape == (*SIZE, 4)
    values = source.pixels(data.unlabelled[0].image)
    np.testing.assert_array_equal(looks[0].image, values)
