"""What is checked before a run starts."""

import json

import pytest

from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.training import prepare, setup
from tests.tiny_run import few_scenes, tiny


def test_without_config_json_the_newest_checkpoints_config_counts(
    tmp_path, monkeypatch, caplog
):
    few_scenes(monkeypatch)
    other = tiny(**{"train.optimiser": "adam"}).to_dict()
    for step, config in ((2, {}), (4, other)):
        meta = tmp_path / f"checkpoints/{step}/meta"
        meta.mkdir(parents=True)
        (meta / "metadata").write_text(json.dumps({"config": config}))
    with pytest.raises(ValueError, match=r"train\.optimiser is 'adam' there"):
        prepare.prepare_run(
            tiny(**{"train.steps": 9}),
            tmp_path,
            open_data=open_data,
            build=lambda *_: None,
        )
    assert "has checkpoints but no config.json" in caplog.text


def refuse_data(config):
    raise AssertionError("the data set was opened first")


def test_weights_that_do_not_exist_are_told_before_the_data_is_opened(tmp_path):
    config = tiny(**{"model.pretrained": "no/such.pth"})
    with pytest.raises(FileNotFoundError, match=r"no/such\.pth: this file"):
        prepare.prepare_run(
            config, tmp_path, open_data=refuse_data, build=lambda *_: None
        )


def test_a_warmup_longer_than_the_run_is_told_before_training(
    tmp_path, monkeypatch, caplog
):
    few_scenes(monkeypatch)
    fields = {"inter_pixel.weight": 0.1, "inter_pixel.warmup_steps": 99}
    prepare.prepare_run(
        tiny(**fields),
        tmp_path,
        open_data=open_data,
        build=setup.build,
    )
    assert "inter_pixel.warmup_steps=99 is longer than the run" in caplog.text
