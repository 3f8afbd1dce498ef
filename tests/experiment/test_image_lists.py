"""A run goes on with the images that it began with."""

import pytest

from ipixmatch_jax.configs import folder
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.experiment import image_lists
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.image_lists import (
    check_same_images,
    images_of,
    read_images,
    warn_of_other_val,
    write_images,
)
from ipixmatch_jax.training import prepare
from tests.data import own_folder as own
from tests.tiny_run import few_scenes, tiny


@pytest.fixture
def root(tmp_path):
    """Eight images, of which five have masks; two more are of val."""
    root = own.make(tmp_path / "root", images=8, masks=5)
    own.make(root / "val", 2, 2)
    return root


@pytest.fixture
def workdir(root, tmp_path):
    """What a run leaves there when it begins."""
    workdir = tmp_path / "run"
    workdir.mkdir()
    write_images(images_of(open_data(config_of(root))), workdir)
    return workdir


def config_of(root, **fields):
    config = folder.get_config("tiny")
    config.data.root = str(root)
    config.update_from_flattened_dict(fields)
    return config


def check(root, workdir, **fields):
    config = config_of(root, **fields)
    recorded = read_images(workdir)
    check_same_images(recorded, open_data(config), config, workdir)


def test_the_lists_hold_the_names_of_both(workdir):
    labelled, val = read_images(workdir)
    assert labelled == tuple(f"images/{i}.jpg" for i in range(5))
    assert val == ("val/images/0.jpg", "val/images/1.jpg")


def test_unlabelled_images_may_come_and_go(root, workdir):
    (root / "images/7.jpg").unlink()
    check(root, workdir)


def test_a_new_mask_is_refused_and_its_image_named(root, workdir):
    (root / "masks/4.png").rename(root / "masks/6.png")
    with pytest.raises(ValueError, match="The labelled images") as error:
        check(root, workdir)
    words = str(error.value)
    assert f"not those that {workdir} began with (5 images then and 5" in words
    assert "images/4.jpg is no longer among them" in words
    assert "images/6.jpg was not among them" in words
    assert f"--continue-from {workdir}" in words


def test_another_val_is_refused_and_evaluation_warns(root, workdir, caplog):
    for part in ("images/1.jpg", "masks/1.png"):
        (root / "val" / part).unlink()
    with pytest.raises(ValueError, match=r"The val .* then and 1 now"):
        check(root, workdir)
    assert not caplog.records
    warn_of_other_val(open_data(config_of(root)), workdir)
    assert "it may have learnt from some of them" in caplog.text


def test_an_older_run_is_warned_about_and_refused_with_folds(tmp_path, caplog):
    root = own.make(tmp_path / "root")
    check(root, tmp_path)
    assert f"wrote {tmp_path} without lists of images" in caplog.text
    with pytest.raises(ValueError, match=r"data\.folds=2, whose folds may"):
        check(root, tmp_path, **{"data.folds": 2})


@pytest.mark.parametrize("text", ["{", "[]", '{"labelled": ["a"]}'])
def test_a_torn_record_is_one_sentence(workdir, text):
    (workdir / image_lists.FILE).write_text(text)
    with pytest.raises(ValueError, match=r"images\.json .*put back a copy"):
        read_images(workdir)


def test_a_run_with_a_checkpoint_is_not_prepared_on_other_scenes(
    tmp_path, monkeypatch
):
    few_scenes(monkeypatch)
    write_images(images_of(open_data(tiny())), tmp_path)
    (tmp_path / "checkpoints/2").mkdir(parents=True)
    monkeypatch.setattr(shapes, "VAL", 2)
    with pytest.raises(ValueError, match=r"The val .*3 images then and 2 now"):
        prepare.prepare_run(
            tiny(), tmp_path, open_data=open_data, build=lambda *_: None
        )
