"""A run, the repository that is made of it, and the folder pulled from that."""

import contextlib
import http.server
import json
import pathlib
import shutil
import threading

import jax
import numpy as np
import pytest
from safetensors import safe_open

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.experiment import published, restore
from ipixmatch_jax.experiment.class_list import (
    RunClass,
    RunClasses,
    read_classes,
    write_classes,
)
from ipixmatch_jax.hub import __main__ as command
from ipixmatch_jax.hub import transfer
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import load
from ipixmatch_jax.predict.model import load_model
from ipixmatch_jax.training import loop
from tests import golden

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.slow


@contextlib.contextmanager
def one_sentence(kind, words):
    with pytest.raises(kind) as raised:
        yield
    text = str(raised.value)
    assert words in text and "\n" not in text


SECRET = "client-x-ray"
IOU = [90.0, 80.0, float("nan"), 60.0, 50.0, 40.0]


@pytest.fixture(scope="module")
def teacher():
    return golden.random_variables(model_registry.build("tiny", 6), seed=1)


@pytest.fixture(scope="module")
def workdir(teacher, tmp_path_factory):
    """A finished run made by hand, with paths wherever a run has them."""
    path = tmp_path_factory.mktemp(SECRET) / "run"
    path.mkdir()
    config = shapes_config.get_config()
    config.data.root = f"/home/me/{SECRET}/photos"
    config.data.splits_dir = f"../{SECRET}/splits"
    config.model.pretrained = f"weights/{SECRET}/tiny.safetensors"
    saved.save_config(config, path)
    names = zip(shapes.CLASS_NAMES, shapes.PALETTE, strict=True)
    every = [RunClass(n, tuple(c), k) for k, (n, c) in enumerate(names)]
    write_classes(RunClasses(tuple(every)), path)
    student = golden.random_variables(model_registry.build("tiny", 6))
    trees = {"student": student, "teacher": teacher}
    with Checkpoints(path) as checkpoints:
        trees = jax.tree.map(jax.numpy.asarray, trees)
        best = Saved(70.0, 3, "teacher")
        checkpoints.save(3, trees, best, config.to_dict(), 70.0)
    part = {"network": "teacher", "step": 3, "val": {"miou": 64.0, "iou": IOU}}
    results = {
        "best": part,
        "last": part,
        "class_names": list(shapes.CLASS_NAMES),
        "made_with": {"devices": "1 x cpu", "jax": jax.__version__},
        "files": {"metrics": str(path / "metrics.jsonl")},
    }
    (path / "results.json").write_text(json.dumps(results))
    return path


def run(*words):
    args = command._parser().parse_args(list(map(str, words)))
    return command._push(args) if words[0] == "push" else command._pull(args)


@pytest.fixture(scope="module")
def folder(workdir, tmp_path_factory):
    """What `push --dry-run` writes."""
    out = tmp_path_factory.mktemp("out") / "hub"
    said = run(
        *("push", "--workdir", workdir, "--repo", "me/scenes"),
        *("--out", out, "--dry-run"),
    )
    assert said == f"{out}: the teacher after 3 steps; nothing was uploaded."
    return out


@pytest.fixture(scope="module")
def pulled(folder, tmp_path_factory):
    """The workdir that `pull` makes of it."""
    made = tmp_path_factory.mktemp("pulled") / "new"
    said = run("pull", folder, "--workdir", made)
    assert said == f"{made}: the teacher after 3 steps"
    return made


def test_the_files_have_the_names_of_the_hub(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "results.json",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"]["1"] == shapes.CLASS_NAMES[1]
    assert config["num_labels"] == 6 and config["num_channels"] == 3
    numbers = json.loads((folder / "preprocessor_config.json").read_text())
    assert numbers["image_mean"] == [0.485, 0.456, 0.406]
    assert numbers["rescale_factor"] == pytest.approx(1 / 255)


def test_nothing_tells_of_the_machine_or_its_folders(folder, workdir):
    private = [
        SECRET,
        str(workdir),
        str(pathlib.Path.home()),
        "/home/",
        "/tmp/",
    ]
    for path in folder.iterdir():
        if path.name == "model.safetensors":
            with safe_open(path, "numpy") as weights:
                assert weights.metadata() == {"format": "pt"}
            continue
        text = path.read_text("utf-8")
        for words in private:
            assert words not in text, (path.name, words)
    config = json.loads((folder / "config.json").read_text())
    fields = config["ipixmatch_jax"]["config"]
    assert fields["data"]["root"] == ""
    assert fields["model"]["pretrained"] == "tiny.safetensors"
    assert (
        fields["data"]["crop_size"] == shapes_config.get_config().data.crop_size
    )


def test_the_card_has_a_header_and_the_scores_of_each_class(folder):
    from huggingface_hub import ModelCard

    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "ipixmatch_jax"
    assert card.data.pipeline_tag == "image-segmentation"
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.dataset_split) == ("shapes 1_16", "val")
    assert (result.metric_type, result.metric_value) == ("mean_iou", 0.64)
    names = shapes.CLASS_NAMES
    table = [
        "| class | val |",
        "|---|---|",
        f"| {names[0]} | 90.0 |",
        f"| {names[1]} | 80.0 |",
        f"| {names[2]} | - |",
    ]
    assert "\n".join(table) in card.text
    assert (
        "| mean (mIoU) | 64.0 |\n\nScored with devices 1 x cpu, " in card.text
    )
    assert "weights of a file, whose licence is not recorded" in " ".join(
        card.text.split()
    )


def test_the_pulled_network_is_the_published_one(pulled, workdir, teacher):
    there = restore.restore_networks(pulled, "best")
    assert list(there.variables) == ["teacher"] and there.step == 3
    jax.tree.map(
        np.testing.assert_array_equal, there.variables["teacher"], teacher
    )
    assert read_classes(pulled) == read_classes(workdir)
    about = published.read_published(pulled)
    assert about.network == "teacher"


def test_a_pulled_folder_predicts_as_the_run_does(pulled, workdir):
    image = shapes.draw_scene(0, 0)[0]
    ours, theirs = load_model(workdir), load_model(pulled)
    assert theirs.class_names == ours.class_names
    np.testing.assert_array_equal(theirs.predict(image), ours.predict(image))


def test_a_pulled_folder_cannot_be_trained_on(pulled):
    with one_sentence(ValueError, "choose another --workdir"):
        loop.train(shapes_config.get_config(), pulled)


def test_the_weights_start_another_run(folder, teacher):
    path = str(folder / "model.safetensors")
    loaded = load.load_weights(path, golden.zeros(teacher), whole=True)
    jax.tree.map(np.testing.assert_array_equal, loaded, teacher)


class Hub:
    """A hub that is a folder; it takes the calls of HfApi that we make."""

    def __init__(self, root):
        self.root, self.made = root, []

    def __call__(self, endpoint=None):
        return self

    def create_repo(self, name, *, private, exist_ok):
        assert exist_ok
        self.made.append((name, private))

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, self.root / repo_id)
        return type("Done", (), {"commit_url": f"https://hub/{repo_id}"})

    def snapshot_download(self, name, *, revision, allow_patterns, endpoint):
        kept = self.root / "cache" / name
        kept.mkdir(parents=True)
        for file in allow_patterns:
            shutil.copyfile(self.root / name / file, kept / file)
        return str(kept)


def test_push_uploads_the_folder_and_pull_fetches_it(
    workdir, tmp_path, monkeypatch
):
    import huggingface_hub

    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", hub)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", hub.snapshot_download
    )
    out = ("--out", tmp_path / "out")
    where = ("--workdir", workdir, "--repo", "me/scenes", *out)
    said = run("push", *where, "--private", "--network", "student")
    assert said.startswith("https://hub/me/scenes: the student after 3 steps")
    assert hub.made == [("me/scenes", True)]
    run("pull", "me/scenes", "--workdir", tmp_path / "pulled")
    about = published.read_published(tmp_path / "pulled")
    assert about == ("student", 3, "me/scenes")


class Answers(http.server.BaseHTTPRequestHandler):
    """A hub that answers everything with one status."""

    status = 404

    def do_HEAD(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()

    def do_POST(self):
        self.do_HEAD()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not let this user do this: log in with `hf auth login`"),
        (404, "answers with the HTTP status 404: check"),
    ],
)
def test_a_hub_that_refuses_is_one_sentence(
    status, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(Answers, "status", status)
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("HF_ENDPOINT", url)
        try:
            with one_sentence(ConnectionError, f"me/scenes: the hub {words}"):
                transfer.download("me/scenes", ["config.json"])
            with one_sentence(ConnectionError, f"me/scenes: the hub {words}"):
                transfer.upload(tmp_path, "me/scenes", private=False)
        finally:
            server.shutdown()
            thread.join()


def test_a_hub_that_is_away_is_one_sentence(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with one_sentence(ConnectionError, "me/scenes: the hub cannot be reached"):
        transfer.download("me/scenes", ["config.json"])


@pytest.mark.parametrize("name", ["scenes", "a/b/c", "a/b:c", "../b"])
def test_a_wrong_name_is_refused_first(name, workdir, tmp_path):
    with one_sentence(ValueError, "which has the form owner/name"):
        run("push", "--workdir", workdir, "--repo", name)
    assert not (workdir / "hub").exists()


def test_what_pull_refuses(folder, tmp_path):
    with one_sentence(ValueError, "give a new folder with --workdir"):
        run("pull", folder, "--workdir", folder)
    other = tmp_path / "other"
    other.mkdir()
    with one_sentence(FileNotFoundError, "has no config.json"):
        run("pull", other, "--workdir", tmp_path / "new")
    shutil.copyfile(folder / "model.safetensors", other / "model.safetensors")
    (other / "config.json").write_text('{"model_type": "segformer"}')
    with one_sentence(ValueError, "is not a network of ipixmatch_jax"):
        run("pull", other, "--workdir", tmp_path / "new")
    (other / "config.json").write_text('{"ipixmatch_jax": {"network": "a"}}')
    with one_sentence(ValueError, "does not describe a network"):
        run("pull", other, "--workdir", tmp_path / "new")
    assert not (tmp_path / "new").exists()
