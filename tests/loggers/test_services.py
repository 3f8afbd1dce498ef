"""wandb and MLflow without a network: what a run and its sequel leave there."""

import json
import os
import struct
import time

import numpy as np
import pytest

from ipixmatch_jax.loggers import mlflow as our_mlflow
from ipixmatch_jax.loggers import registry
from ipixmatch_jax.loggers import wandb as our_wandb
from ipixmatch_jax.loggers.base import Logged, LoggerError

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
CONFIG = {"seed": 3, "train": {"steps": 40, "schedule": "poly"}}


def log_twice(kind, workdir):
    """A run of two lines, and its sequel from an earlier step."""
    run = Logged(workdir, CONFIG)
    logger = kind.open(run)
    logger.write_scalars(10, {"loss": 2.0, "val_miou_teacher": 0.5})
    logger.write_scalars(20, {"loss": float("nan")})
    logger.close(failed=True)
    logger = kind.open(run)
    logger.write_scalars(15, {"loss": 1.5})
    logger.write_picture(20, "val", PICTURE)
    logger.close(failed=False)
    return json.loads((workdir / "loggers.json").read_text())


@pytest.fixture
def store(tmp_path, monkeypatch):
    """MLflow's client, on a folder of files."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_mlflow_has_one_run_with_its_fields_points_and_picture(store, tmp_path):
    workdir = tmp_path / "mine"
    workdir.mkdir()
    ids = log_twice(our_mlflow.LOGGER, workdir)
    experiment = store.get_experiment_by_name("ipixmatch_jax")
    (run,) = store.search_runs([experiment.experiment_id])
    assert ids == {"mlflow": run.info.run_id}
    assert run.info.run_name == "mine"
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "seed": "3",
        "train.steps": "40",
        "train.schedule": "poly",
    }
    points = store.get_metric_history(run.info.run_id, "loss")
    assert [(p.step, p.value) for p in points if p.step != 20] == [
        (10, 2.0),
        (15, 1.5),
    ]
    assert [file.path for file in store.list_artifacts(run.info.run_id)] == [
        "val_20.png"
    ]


def test_mlflow_says_what_it_does_not_know(store, tmp_path):
    (tmp_path / "loggers.json").write_text('{"mlflow": "gone"}')
    with pytest.raises(LoggerError, match="gone"):
        our_mlflow.LOGGER.open(Logged(tmp_path, CONFIG))


@pytest.mark.usefixtures("store")
def test_a_store_that_mlflow_refuses_ends_the_run_before_it_begins():
    import mlflow

    mlflow.set_tracking_uri("drawer://mine")
    with pytest.raises(ValueError, match="set MLFLOW_TRACKING_URI to a server"):
        registry.check_loggers(("mlflow",), writes=True)
    registry.check_loggers(("mlflow",), writes=False)


@pytest.fixture
def wandb(monkeypatch):
    wandb = pytest.importorskip("wandb")
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield wandb
    wandb.teardown()


@pytest.mark.slow
def test_wandb_writes_one_run_below_the_workdir(wandb, tmp_path, capfd):
    ids = log_twice(our_wandb.LOGGER, tmp_path)
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2  # `wandb sync` joins them by their id
    assert all(ids["wandb"] in folder.name for folder in folders)
    rows = [row for folder in folders for row in read_rows(folder)]
    assert [(r["step"], r["loss"]) for r in rows if "loss" in r] == [
        ("10", "2"),
        ("20", "NaN"),
        ("15", "1.5"),
    ]
    assert rows[-1]["step"] == "20" and "val" in rows[-1]


def read_rows(folder):
    """The points of an offline run, as texts."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    records = []
    # Another process writes the end of the file, for a moment after `finish`.
    for _ in range(1000):
        content = read_records(path.read_bytes())
        records = list(map(wandb_internal_pb2.Record.FromString, content))
        if records and records[-1].HasField("exit"):
            break
        time.sleep(0.02)
    for record in records:
        if record.HasField("history"):
            yield {
                item.key or item.nested_key[0]: item.value_json
                for item in record.history.item
            }


def read_records(content, block=32_768):
    """The whole records of a LevelDB log, after seven bytes of wandb's."""
    at, whole = 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:  # too short for a header, so left empty
            at += block - at % block
            continue
        _, size, kind = struct.unpack_from("<IHB", content, at)
        if at + 7 + size > len(content):
            return
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # in one piece, or its last piece
            yield whole
            whole = b""


def test_wandb_without_a_key_is_refused_before_the_run(
    wandb, tmp_path, monkeypatch
):
    registry.check_loggers(("wandb",), writes=True)  # offline needs none
    wandb.teardown()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(
        ValueError, match="run `wandb login`, or set WANDB_MODE"
    ):
        registry.check_loggers(("wandb",), writes=True)
