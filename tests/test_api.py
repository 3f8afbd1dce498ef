"""The package from Python: names, training, loading, images of every kind."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import ipixmatch_jax as ipx
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.predict import files
from ipixmatch_jax.predict import workdir as predict_run
from tests import two_convolutions
from tests.tiny_run import few_scenes

pytestmark = pytest.mark.slow

FIELDS = {
    "model.backbone": two_convolutions.NAME,
    "data.crop_size": 33,
    "train.batch_size": 2,
    "train.steps": 2,
    "train.eval_every": 2,
    "train.log_every": 1,
    "evaluate.batch_size": 4,
    "mesh.data": 1,
}


def run_python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        **options,
    ).stdout


def test_importing_costs_nothing_until_a_name_is_used():
    heavy = {"jax", "flax", "numpy", "ml_collections", "absl"}
    code = (
        "import time; start = time.monotonic(); import ipixmatch_jax as ipx\n"
        "import sys; print(time.monotonic() - start)\n"
        "print(*[m.partition('.')[0] for m in sys.modules])\n"
        "print(*dir(ipx))"
    )
    seconds, modules, names = run_python(code).splitlines()
    assert not heavy & set(modules.split())
    assert set(ipx.__all__) <= set(names.split())
    # 1 ms where nothing else runs; what is heavy takes a second.
    assert float(seconds) < 1


def test_no_module_hides_a_public_name():
    for module in pkgutil.walk_packages(ipx.__path__, "ipixmatch_jax."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ipx.__all__:
        assert callable(getattr(ipx, name)), name
        assert not inspect.ismodule(getattr(ipx, name)), name
    assert ipx.config("shapes.py").data.name == "shapes"
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        ipx.load("nowhere")
    with pytest.raises(AttributeError, match="no attribute 'confg'"):
        ipx.confg  # noqa: B018


def test_public_names_carry_types():
    for name in ("config", "train", "load", "inter_pixel_loss"):
        signature = inspect.signature(getattr(ipx, name))
        types = [p.annotation for p in signature.parameters.values()]
        assert inspect.Parameter.empty not in types, name
        assert signature.return_annotation is not inspect.Signature.empty
    stub = importlib.resources.files("ipixmatch_jax") / "__init__.pyi"
    named = [line.split()[-1] for line in stub.read_text().splitlines() if line]
    assert sorted(named) == sorted(ipx.__all__)


def test_a_config_takes_fields_and_refuses_unknown_ones():
    config = ipx.config("folder.py:tiny", {"train.steps": 3, "data.root": "x"})
    assert (config.train.steps, config.data.root) == (3, "x")
    assert config.model.backbone == "tiny"
    with pytest.raises(ValueError, match=r"train\.step\b"):
        ipx.config("folder.py:tiny", {"train.step": 3})
    with pytest.raises(ValueError, match=r"train\.steps"):
        ipx.config("folder.py:tiny", {"train.steps": "many"})
    with pytest.raises(FileNotFoundError, match=r"shapes\.py"):
        ipx.config("shape.py")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        few_scenes(patch)
        path = tmp_path_factory.mktemp("runs") / "mine"
        ipx.train(ipx.config("shapes.py", FIELDS), path)
        return path


@pytest.fixture(scope="module")
def model(workdir):
    return ipx.load(workdir)


def picture(size=(40, 56), seed=0):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
    return np.asarray(small.resize(size[::-1], Image.Resampling.BICUBIC))


def test_training_returns_the_run_and_continues_it(workdir, monkeypatch):
    few_scenes(monkeypatch)
    config = ipx.config("shapes.py", FIELDS)
    before = config.to_dict()
    run = ipx.train(config, workdir=str(workdir))
    assert config.to_dict() == before
    assert run.finished
    assert run.best_step == run.results["last"]["step"] == 2
    assert set(run.scores) == {"val", "test"}
    assert run.scores["val"] == run.results["best"]["val"]["miou"]
    assert run.paths["metrics"] == workdir / "metrics.jsonl"
    assert all(path.exists() for path in run.paths.values())


def test_what_does_not_fit_is_raised(tmp_path):
    config = ipx.config("folder.py:tiny", {"data.root": str(tmp_path / "no")})
    with pytest.raises((ValueError, FileNotFoundError), match="no"):
        ipx.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_kind_of_image_gives_the_labels_of_the_command(
    model, workdir, tmp_path
):
    image = picture()
    path = tmp_path / "in/a.png"
    path.parent.mkdir()
    Image.fromarray(image).save(path)
    labels = model.predict(path)
    assert labels.dtype == np.uint8
    assert labels.shape == image.shape[:2]
    for same in (str(path), Image.open(path), image):
        np.testing.assert_array_equal(model.predict(same), labels)
    out = tmp_path / "out"
    predict_run.predict_workdir(workdir, path.parent, out)
    with Image.open(files.picture_path(out, "predictions", "a")) as written:
        np.testing.assert_array_equal(np.asarray(written), labels)
    with Image.open(files.picture_path(out, "overlays", "a")) as written:
        drawn = model.overlay(path, labels)
        np.testing.assert_array_equal(np.asarray(written), drawn)


def test_several_images_are_those_of_each_alone(model):
    images = [picture((40, 56), 1), picture((33, 40), 2), picture((40, 56), 3)]
    together = model.predict(images)
    for image, labels in zip(images, together, strict=True):
        assert labels.shape == image.shape[:2]
        alone = model.predict(image)
        assert (alone == labels).mean() > 0.999
    batch = model.predict(np.stack([images[0], images[2]]))
    assert batch.shape == (2, 40, 56)
    assert (batch[1] == together[2]).mean() > 0.999


def test_an_orientation_of_exif_is_applied(model, tmp_path):
    image = Image.fromarray(picture())
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: upright it is 56 high.
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif, quality=100)
    labels = model.predict(path)
    assert labels.shape == (56, 40)
    np.testing.assert_array_equal(model.predict(Image.open(path)), labels)


def test_probabilities_sum_to_one_and_choose_the_labels(model):
    image = picture()
    shares = model.probabilities(image)
    assert shares.dtype == np.float32
    assert shares.shape == (40, 56, len(model.class_names))
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(shares.argmax(-1), model.predict(image))
    # The second window would begin at 64, beyond the image.
    cut = model.probabilities(image, window=96)
    np.testing.assert_allclose(cut, shares, atol=1e-4)
    small = model.probabilities(image, window=33)
    assert small.shape == shares.shape
    np.testing.assert_allclose(small.sum(-1), 1, atol=1e-5)
    labels = model.predict(image, window=33)
    np.testing.assert_array_equal(small.argmax(-1), labels)


def test_a_shape_compiles_once(model):
    image = picture((24, 31))
    model.predict(image)
    predictor = model.make_predictor()
    before = _compiled(predictor)
    model.predict(picture((24, 31), 9))
    assert _compiled(predictor) == before


def _compiled(predictor):
    from ipixmatch_jax.predict import averaging

    return averaging.jit_predict(
        predictor._network, predictor._averaging, predictor._mesh
    )._cache_size()


def test_the_model_knows_its_run(model):
    assert model.class_names == tuple(shapes.CLASS_NAMES)
    assert model.palette == tuple(shapes.PALETTE)
    assert model.step == 2
    assert model.network_name in ("student", "teacher")


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((4, 5, 3), np.float32), "float32: give uint8"),
        (np.zeros((4, 5, 4), np.uint8), r"takes \[height, width, 3\]"),
        (np.zeros((4, 5), np.uint8), r"takes \[height, width, 3\]"),
        ("gone.png", r"gone\.png cannot be read"),
    ],
)
def test_what_is_not_an_image_is_one_sentence(model, image, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.predict(image)


def test_the_loss_is_zero_where_both_agree():
    logits = np.random.default_rng(0).normal(size=(2, 6, 7, 3))
    valid = np.ones((2, 6, 7), bool)
    settings = {"temperature": 1.0, "threshold": 0.0}
    loss, aux = ipx.inter_pixel_loss(
        logits,
        logits,
        valid,
        relation="channel",
        distance="correlation",
        **settings,
    )
    assert abs(float(loss)) < 1e-6
    assert float(aux.confident_share) == 1
