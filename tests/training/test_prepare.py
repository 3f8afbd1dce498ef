"""What is checked before a run starts."""

import json

import pytest

from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.training import prepare
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
