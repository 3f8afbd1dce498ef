"""A method from outside the package: trained, resumed, scored, loaded."""

import json
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

import ipixmatch_jax as ipx
from ipixmatch_jax.configuration.plugins import load_plugins
from ipixmatch_jax.experiment.score import evaluate_workdir
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.training import loop
from tests.tiny_run import few_scenes, tiny

pytestmark = pytest.mark.slow

# Data workers import it too: they unpickle its function.
MODULE = '''"""FixMatch with a function of views of its own."""

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.methods.base import Method
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.methods.registry import METHODS


def draw(rng, crop_size):
    return view_recipes.STRONG.draw(rng, crop_size)


VIEWS = view_recipes.Recipe(draw, view_recipes.STRONG.apply)
METHODS.register("of_mine", Method(fixmatch, views=VIEWS))
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "module_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    # What the module adds is gone after the test.
    monkeypatch.setattr(METHODS, "_members", {**METHODS._members})
    monkeypatch.setattr(METHODS, "_modules", {**METHODS._modules})
    return "module_of_mine"


def end_of_predict(monkeypatch, *words):
    """The exit code of the command that predicts, in this process."""
    monkeypatch.setattr(sys, "argv", ["predict", *map(str, words)])
    # runpy warns of a module that another test has imported.
    monkeypatch.delitem(
        sys.modules, "ipixmatch_jax.predict.__main__", raising=False
    )
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("ipixmatch_jax.predict", run_name="__main__")
    return ended.value.code


def test_a_method_from_outside_is_refused_until_its_module_is_named(
    module, tmp_path, monkeypatch, capfd
):
    few_scenes(monkeypatch)
    image = np.zeros((40, 48, 3), np.uint8)
    config = tiny(**{"train.steps": 2, "data.num_workers": 1})
    config.method = "of_mine"
    workdir = tmp_path / "run"
    with pytest.raises(ValueError, match=r"config\.method='of_mine' is unkn"):
        loop.train(config, workdir)
    known = METHODS._members, METHODS._modules
    for name in ("_members", "_modules"):
        monkeypatch.setattr(METHODS, name, {**getattr(METHODS, name)})
    load_plugins([module])
    assert loop.train(config, workdir) == 0
    recorded = json.loads((workdir / "config.json").read_text())
    assert recorded["plugins"] == (
        "method=module_of_mine,model.backbone=tests.two_convolutions"
    )

    config.train.steps = 3
    assert loop.train(config, workdir) == 0
    assert json.loads((workdir / "results.json").read_text())["last"]["step"]
    assert "student" in evaluate_workdir(workdir, "best", None)

    def forget():
        """Leaves the registry as it is in a new process."""
        for name, value in zip(("_members", "_modules"), known, strict=True):
            monkeypatch.setattr(METHODS, name, {**value})
        sys.modules.pop(module, None)

    forget()
    with pytest.raises(ValueError, match="add --plugin module_of_mine"):
        evaluate_workdir(workdir, "best", None)
    with pytest.raises(ValueError, match="add --plugin module_of_mine"):
        ipx.load(workdir)

    labels = ipx.load(workdir, plugins=[module]).predict(image)
    assert labels.shape == image.shape[:2]

    forget()
    Image.fromarray(image).save(tmp_path / "image.png")
    out = tmp_path / "predicted"
    words = ["--workdir", workdir, "--out", out]
    words += ["--images", tmp_path / "image.png"]
    assert end_of_predict(monkeypatch, *words) == 1
    assert "add --plugin module_of_mine" in capfd.readouterr().err
    assert end_of_predict(monkeypatch, *words, "--plugin", module) == 0
    with Image.open(out / "predictions/image.png") as predicted:
        np.testing.assert_array_equal(np.asarray(predicted), labels)
