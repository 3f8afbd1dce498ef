"""The parts of a run take their classes from the data set."""

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.configs import folder
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment.data import keep_range, open_data
from ipixmatch_jax.experiment.resolve import program_key, resolve_config
from ipixmatch_jax.experiment.resume import check_resume
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.sweep.programs import Programs
from tests.tiny_run import build


@pytest.fixture
def config(tmp_path):
    """The config of a folder of four images, three masks, three classes."""
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
    return c


def test_the_number_of_classes_comes_from_the_data(config, tmp_path):
    check_config(config)
    assert build(config).network.num_classes == 3
    data = open_data(config)
    resolved = resolve_config(config, data)
    assert (config.model.num_classes, resolved.model.num_classes) == (0, 3)
    # A resumed run begins from 0 again, and is the same run.
    saved.save_config(resolved, tmp_path)
    again = folder.get_config("tiny")
    again.data.root = config.data.root
    earlier = saved.load_config(tmp_path)
    assert resolve_config(again, data, earlier).model.num_classes == 3
    again.mesh.data = 1
    assert check_resume(earlier, resolve_config(again, data), tmp_path) == []


def test_another_number_of_classes_is_refused(config):
    config.model.num_classes = 1
    with pytest.raises(ValueError, match="folder has 3 classes"):
        resolve_config(config, open_data(config))


def test_the_hold_out_is_a_field(config):
    assert len(open_data(config).val) == 1
    config.data.holdout = 0.6
    assert len(open_data(config).val) == 2


def test_a_sweep_opens_it_once_and_gives_every_cell_its_classes(config):
    shared = Programs()
    other = config.copy_and_resolve_references()
    other.seed = 1
    data = shared.open_data(config)
    assert shared.open_data(other) is data
    assert resolve_config(other, data).model.num_classes == 3
    third = other.copy_and_resolve_references()
    third.data.holdout = 0.6
    assert len(shared.open_data(third).val) == 2
    assert "holdout" not in program_key(resolve_config(third, data))


def test_a_measured_range_is_kept_with_the_run(config, tmp_path):
    for i in range(4):
        values = np.random.default_rng(i).integers(0, 4096, (40, 48))
        image = Image.fromarray(values.astype(np.uint16))
        image.save(tmp_path / f"images/{i}.png")
    resolved = resolve_config(config, open_data(config))
    low, high = map(float, resolved.data.range.split(","))
    assert low < 50 and 4000 < high < 4096
    # Brighter images have come since the run began.
    Image.fromarray(np.full((40, 48), 60_000, np.uint16)).save(
        tmp_path / "images/3.png"
    )
    again = open_data(keep_range(config, resolved))
    assert again.value_range == resolved.data.range
    assert open_data(config).value_range != resolved.data.range
    config.data.range = "0,10"
    assert keep_range(config, resolved) is config
