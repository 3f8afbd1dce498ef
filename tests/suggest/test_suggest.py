"""Suggestions of images to label: scores, choice and command."""

import csv
import json
import math
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data import registry
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.data.source import BadFileError, Sample, Source
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.suggest import __main__ as suggest_main
from ipixmatch_jax.suggest import contact_sheet, examination
from ipixmatch_jax.suggest.uncertainty import measure_uncertainty
from ipixmatch_jax.training import loop
from tests import golden, two_convolutions
from tests.refusal import refusal

pytestmark = pytest.mark.slow


def _softmax(rng, *shape):
    p = np.exp(rng.normal(0, 3, shape))
    return p / p.sum(-1, keepdims=True)


@pytest.mark.parametrize("members", [1, 2, 3])
def test_uncertainty_equals_its_formulas(members):
    p = _softmax(np.random.default_rng(0), members, 4, 5)
    entropy, apart = measure_uncertainty(jnp.asarray(p, jnp.float32))
    for i in range(4):
        mean = [
            sum(p[m, i, k] for m in range(members)) / members for k in range(5)
        ]
        h = -sum(q * math.log(q) for q in mean)
        each = [-sum(q * math.log(q) for q in p[m, i]) for m in range(members)]
        jsd = h - sum(each) / members
        assert abs(float(entropy[i]) - h / math.log(5)) < 1e-6
        assert abs(float(apart[i]) - jsd / math.log(max(members, 2))) < 1e-6


def test_uncertainty_at_its_bounds():
    one, other = np.eye(4, dtype=np.float32)[:2, None]
    flat = np.full((1, 4), 0.25, np.float32)
    cases = [
        ((one, one), 0, 0),
        ((one, other), 0.5, 1),  # log 2 / log 4
        ((flat, flat), 1, 0),
    ]
    for pair, entropy, apart in cases:
        found = measure_uncertainty(jnp.stack(pair))
        np.testing.assert_allclose(found, [[entropy], [apart]], atol=1e-6)


def test_equal_networks_do_not_disagree_at_all():
    p = _softmax(np.random.default_rng(1), 1, 50, 7).astype(np.float32)
    _, apart = measure_uncertainty(jnp.concatenate([p, p]))
    assert not np.asarray(apart).any()


SIZES = [
    (40, 56),
    (38, 55),
    (40, 56),
]  # One padded shape is enough for all of them.


class _Pictures(Source):
    """A source of noise images; the last two of four are bad."""

    def __len__(self):
        return len(SIZES) + 1

    def __getitem__(self, i):
        if i == 2:
            raise BadFileError("two.jpg is spoilt.")
        rng = np.random.default_rng(i)
        pixels = rng.integers(0, 256, (*SIZES[i], 3)).astype(np.uint8)
        return Sample(Image.fromarray(pixels), None)

    def name(self, i):
        return f"{i}.jpg"

    def size(self, i):
        if i == len(SIZES):
            raise BadFileError("three.jpg has no header.")
        return SIZES[i]


def _alone(network, variables, image):
    """Probabilities and c4 of a single image, float64."""
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    image = np.float32((np.asarray(image) / 255 - mean) / std)[None]
    logits, c4 = jax.jit(
        lambda v, x: (
            network.apply(v, x, False)[0],
            network.apply(v, x, False, method="encode")[-1][0],
        )
    )(variables, image)
    p = np.exp(np.float64(logits))
    return p / p.sum(-1, keepdims=True), np.float64(c4)


@pytest.mark.parametrize("names", [("student",), ("student", "twin")])
def test_an_image_gives_the_same_in_a_batch_as_alone(names):
    network = model_registry.build("tiny", 6)
    variables = {
        name: golden.random_variables(network, seed)
        for seed, name in enumerate(names)
    }
    config = shapes_config.get_config()
    mesh = sharding.make_mesh(1, 1)
    run = restore.Trained(
        None, config, None, 1, names[-1], network, variables, mesh
    )
    source = _Pictures()
    plan = examination.make_plan(source, network)
    done = []
    seen = examination.Examiner(run).summarise(plan, done.append)
    assert sum(done) == 3
    assert plan.shapes == [(40, 56)]
    assert plan.bad == ["three.jpg has no header.", "two.jpg is spoilt."]
    assert seen.positions.tolist() == [0, 1]
    for i in range(2):
        alone = [
            _alone(network, variables[name], source[i].image) for name in names
        ]
        each = [p for p, _ in alone]
        h = _entropy(sum(each) / len(each))
        apart = h - sum(map(_entropy, each)) / len(each)
        assert abs(seen.entropy[i] - h / math.log(6)) < 1e-4
        assert abs(seen.disagreement[i] - apart / math.log(2)) < 1e-4
        np.testing.assert_allclose(
            seen.features[i], alone[-1][1].mean((0, 1)), rtol=1e-3, atol=1e-4
        )


def test_scenes_that_cannot_be_decoded_whole_are_named(monkeypatch):
    monkeypatch.setattr(examination, "MAX_PIXELS", 40 * 50)
    network = model_registry.build("tiny", 6)
    plan = examination.make_plan(_Pictures(), network)
    large = {i for i, (h, w) in enumerate(SIZES) if h * w > 2000}
    assert large and set(plan.sizes) == set(range(len(SIZES))) - large
    assert len(plan.bad) == 1 + len(large)
    assert "pixels, and images of more than 2,000 are not" in plan.bad[1]


def test_batches_of_large_images_are_smaller():
    assert examination.count_fitting((500, 500)) == 33
    assert examination.count_fitting((1024, 2048)) == 4
    assert examination.count_fitting((9000, 9000)) == 1


def _entropy(p):
    return -(p * np.log(p)).sum(-1).mean()


def test_the_sheet_shows_the_image_beside_its_map():
    red = np.zeros((50, 400, 3), np.uint8)
    red[..., 0] = 255
    shares = np.tile(np.linspace(0, 1, 400), (50, 1))
    pair = contact_sheet.make_pair(red, shares, "x" * 300 + "end", "2")
    assert pair.image.size == pair.heat.size == (200, 25)
    short = contact_sheet.make_pair(red[:, :9], shares[:, :9], "a", "b")
    assert short.image.size == (36, 200)
    sheet = contact_sheet.draw_sheet([pair, short, pair])
    assert sheet.dtype == np.uint8
    assert sheet[:24].min() < 60  # A line says what the colours mean.
    sheet = sheet[24:]
    assert (sheet[190, 10] == [255, 0, 0]).all()
    assert sheet[190, 225].sum() < 90 < 700 < sheet[190, 405].sum()
    assert (sheet[10:150, 10:400] == 224).all()  # The image is low and wide.
    assert sheet[205:240, :400].min() < 100  # words
    last = sheet[sheet.shape[0] // 2 :]
    assert (last[:, 420:] == 255).all()  # the place of a fourth


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setattr(shapes, "TRAIN", 32)
    monkeypatch.setattr(shapes, "VAL", 2)
    monkeypatch.setattr(shapes, "TEST", 1)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of one step with a teacher; 8 of 32 scenes are labelled."""
    path = tmp_path_factory.mktemp("run")
    c = shapes_config.get_config("tiny_1_16,method=supervised")
    c.model.backbone = two_convolutions.NAME
    c.teacher = "ema"
    c.ema.rampup = False  # otherwise the first teacher equals the student
    c.data.split = "1_4"
    c.data.crop_size = 33
    c.train.batch_size = 2
    c.train.steps = c.train.eval_every = c.train.save_every = 1
    c.train.log_every = 1
    c.mesh.data = 1
    with pytest.MonkeyPatch.context() as patch:
        for name, count in (("TRAIN", 32), ("VAL", 2), ("TEST", 1)):
            patch.setattr(shapes, name, count)
        assert loop.train(c, path) == 0
    return path


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["suggest", *map(str, arguments)])
    suggest_main.run()


@pytest.mark.usefixtures("few_scenes")
def test_the_command_end_to_end(workdir, tmp_path, monkeypatch, capsys):
    whole = shapes.Scenes.__getitem__

    def getitem(self, i):
        if self.name(i) == "scene_1_0011.png":
            raise BadFileError("scene_1_0011.png is spoilt.")
        return whole(self, i)

    monkeypatch.setattr(shapes.Scenes, "__getitem__", getitem)
    command(monkeypatch, "--workdir", workdir, "-n", 5)
    said = capsys.readouterr()
    assert "5 of 23 unlabelled images" in said.out
    assert "Skipped: scene_1_0011.png is spoilt." in said.err
    out = workdir / "suggestions"
    names = (out / "suggestions.txt").read_text().splitlines()
    with (out / "suggestions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows[:5]] == names
    assert [row["suggested"] for row in rows] == [*"12345"] + [""] * 18
    every = {f"scene_1_{i:04d}.png" for i in range(8, 32)}
    assert {row["name"] for row in rows} == every - {"scene_1_0011.png"}
    for row in rows:
        assert 0 < float(row["entropy"]) <= 1
        assert 0 <= float(row["disagreement"]) <= 1
        assert 0 <= int(row["cluster"]) <= 5
    rest = [float(row["score"]) for row in rows[5:]]
    assert rest == sorted(rest, reverse=True)
    with Image.open(out / "suggestions.png") as sheet:
        assert np.asarray(sheet).std() > 20
    # A second run into another folder gives the same bytes.
    command(monkeypatch, "--workdir", workdir, "-n", 5, "--out", tmp_path)
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


@pytest.mark.usefixtures("few_scenes")
def test_asking_for_too_many_gives_all(workdir, tmp_path, monkeypatch, capsys):
    command(monkeypatch, f"--workdir={workdir}", "-n99", f"--out={tmp_path}")
    assert (
        "All 24 unlabelled images; 99 were asked for" in capsys.readouterr().out
    )
    names = (tmp_path / "suggestions.txt").read_text().splitlines()
    assert len(names) == len(set(names)) == 24


@pytest.mark.usefixtures("few_scenes")
def test_predictions_of_the_chosen_images_are_written_for_a_label_tool(
    workdir, tmp_path, monkeypatch, capsys
):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scenes = shapes.open_set("", "", "1_4").unlabelled
    for i in range(len(scenes)):
        scenes[i].image.save(photos / scenes.name(i))
    options = (
        f"--workdir={workdir}",
        "-n3",
        f"--out={out}",
        "--format=labelme",
    )
    # The scenes are drawn; no files hold them.
    with pytest.raises(SystemExit):
        command(monkeypatch, *options)
    assert "are not files of their own" in capsys.readouterr().err
    assert (out / "suggestions.txt").is_file()
    monkeypatch.setattr(
        shapes.Scenes, "path", lambda self, i: str(photos / self.name(i))
    )
    command(monkeypatch, *options, "--background")
    chosen = (out / "suggestions.txt").read_text().splitlines()
    written = sorted(path.stem for path in out.glob("labelme/*.json"))
    assert written == sorted(name.removesuffix(".png") for name in chosen)
    value = json.loads((out / f"labelme/{written[0]}.json").read_text())
    assert (out / "labelme" / value["imagePath"]).samefile(
        photos / f"{written[0]}.png"
    )
    with pytest.raises(SystemExit):
        command(monkeypatch, *options)
    assert "that were suggested before" in capsys.readouterr().err


@pytest.mark.usefixtures("few_scenes")
def test_a_mistake_is_answered_in_one_line(workdir, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        command(monkeypatch, f"--workdir={workdir}", "-n0")
    assert "asks for no image" in capsys.readouterr().err
    out = workdir / "config.json"
    with pytest.raises(SystemExit):
        command(monkeypatch, f"--workdir={workdir}", f"--out={out}")
    assert (
        "config.json is a file, not a folder; name another"
        in capsys.readouterr().err
    )
    whole = shapes.open_set
    changed = shapes.KIND._replace(
        open=lambda *a: whole(*a)._replace(
            unlabelled=shapes.Scenes(1, 0, 0, False)
        )
    )
    monkeypatch.setitem(registry.DATASETS._members, "shapes", changed)
    with pytest.raises(SystemExit):
        command(monkeypatch, f"--workdir={workdir}")
    assert "no unlabelled images to choose" in capsys.readouterr().err


def test_a_colleagues_run_needs_another_folder(tmp_path, monkeypatch, capsys):
    run = _saved(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: path != run)
    with pytest.raises(SystemExit) as end:
        command(monkeypatch, f"--workdir={run}")
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "this user may not write into" in line
    assert line.endswith("name another place with --out.")


def test_the_module_runs_the_command(tmp_path):
    line = refusal("suggest", f"--workdir={tmp_path}")
    assert "is not the --workdir of a run" in line


def test_data_that_moved_are_asked_for_by_the_commands_own_flag(tmp_path):
    config = saved.load_config(_saved(tmp_path))
    with pytest.raises(FileNotFoundError, match="then give --root=DIR"):
        restore.reopen_data(config)


def _saved(workdir):
    config = shapes_config.get_config()
    config.data.name, config.data.root = "camvid", "gone"
    saved.save_config(config, workdir)
    return workdir
