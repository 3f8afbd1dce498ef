"""Finished runs become rows, by hand-written results."""

import csv
import hashlib
import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import study_rows

LOCK = "flax==1 \\\njax==0.10.2 ; python_full_version < '3.12' \\\n"


def write_run(folder: pathlib.Path, seed: int, finished: bool) -> None:
    """A run with two evaluations, which ended if `finished`."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"seed": seed}))
    evaluations = (
        {"step": 10, "val_miou_student": 1.0, "val_miou_teacher": 2.0},
        {"step": 15, "loss": 1.0},
        {"step": 20, "val_miou_student": 40.12345, "val_miou_teacher": 39.0},
    )
    (folder / "metrics.jsonl").write_text(
        "\n".join(json.dumps(line) for line in evaluations)
    )
    if finished:
        scores = {"miou": 40.12345, "iou": [40.12345]}
        last = {"network": "student", "step": 20, "val": scores}
        last["test"] = {"miou": 41.0, "iou": [41.0]}
        best = {"network": "teacher", "step": 10, "val": scores}
        results = {
            "best": best,
            "last": last,
            "class_names": ["a"],
            "made_with": {"jax": "0.11.2", "devices": "1 x H200"},
        }
        (folder / "results.json").write_text(json.dumps(results))


def test_a_finished_run_is_a_row_and_another_is_counted(tmp_path):
    arm = tmp_path / "camvid_23" / "cell_6" / "config"
    write_run(arm / "seed_100", 100, finished=True)
    write_run(arm / "seed_101", 101, finished=False)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.study_rows"),
            *("confirm", str(tmp_path), "benchmarks/confirm.sh"),
        ],
        cwd=pathlib.Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "1 of 2 runs have ended.\n"
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row.pop("commit")
    assert row == {
        "stage": "confirm",
        "data": "camvid",
        "labels": "23",
        "arm": "cell 6",
        "seed": "100",
        "lock": "none: jax 0.11.2 on 1 x H200",
        "steps": "20",
        "network": "student",
        "val_last": "40.123",
        "test_last": "41.0",
        "val_best": "40.123",
        "test_best": "",
        "val_student": "40.123",
        "val_teacher": "39.0",
        "cpu_seconds": "",
        "settings": "benchmarks/confirm.sh",
        "name": "confirm_camvid_23_cell_6_s100",
    }


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.10.2", hashlib.sha256(LOCK.encode()).hexdigest()[:12]),
        ("0.10", "none: jax 0.10 on 1 x cpu"),
    ],
)
def test_the_lock_is_named_only_where_its_jax_ran(version, expected):
    made_with = {"jax": version, "devices": "1 x cpu"}
    assert study_rows.lock_name(made_with, LOCK) == expected


def test_a_torn_result_is_one_sentence(tmp_path):
    run = tmp_path / "camvid_23" / "host" / "config" / "seed_1"
    write_run(run, 1, finished=True)
    (run / "results.json").write_text("{")
    with pytest.raises(ValueError, match=r"results\.json"):
        study_rows.study_row("confirm", run, "c", LOCK, "s")
