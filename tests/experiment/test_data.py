"""What the parts of a run make of a data set that names its own classes."""

import json

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import folder
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.sweep.programs import Programs, program_key
from ipixmatch_jax.training import setup


@pytest.fixture
def config(tmp_path):
    """Of a folder with four images, three masks and three classes."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for i in range(4):
        pixels = rng.integers(0, 256, (40, 48, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{i}.png")
    for i in range(3):
        ids = np.arange(1920).reshape(40, 48) % 3
        ids = Image.fromarray(ids.astype(np.uint8))
        ids.save(tmp_path / f"masks/{i}.png")
    c = folder.get_config("tiny")
    c.data.root = str(tmp_path)
    c.mesh.data = 1
    c.lock()  # as the command line's configs are
    return c


def test_the_number_of_classes_comes_from_the_data(config, tmp_path):
    validate.check(config)
    built = setup.build(config)
    assert config.model.num_classes == built.network.num_classes == 3
    # A resumed run begins from 0 again, and is the same run.
    saved.save(config, tmp_path)
    again = folder.get_config("tiny")
    again.data.root = config.data.root
    open_data(again)
    saved.check_resume(again, tmp_path)


def test_a_number_that_is_not_the_datas_is_refused(config):
    config.model.num_classes = 1
    with pytest.raises(ValueError, match="folder has 3 classes"):
        open_data(config)


def test_the_hold_out_is_a_field(config):
    assert len(open_data(config).val) == 1
    config.data.holdout = 0.6
    assert len(open_data(config).val) == 2


def test_a_sweep_opens_it_once_and_gives_every_cell_its_classes(config):
    shared = Programs()
    other = config.copy_and_resolve_references()
    other.seed = 1
    assert shared.open_data(config) is shared.open_data(other)
    assert config.model.num_classes == other.model.num_classes == 3
    third = other.copy_and_resolve_references()
    third.data.holdout = 0.6
    assert len(shared.open_data(third).val) == 2
    assert "holdout" not in json.loads(program_key(third))["data"]
