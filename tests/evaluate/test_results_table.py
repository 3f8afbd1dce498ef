"""The table of runs: one seed, several seeds, an unfinished run."""

import json

import pytest

from ipixmatch_jax.evaluate import results_table


def result(miou, iou):
    part = {"network": "teacher", "step": 7, "test": {"miou": miou, "iou": iou}}
    return {"best": part, "class_names": ["sky", "road"]}


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_one_seed_names_its_network_and_step():
    head, _, row = results_table.table(
        {"a": [result(30.0, [20.0, 40.0])]}
    ).split("\n")
    assert cells(head) == ["run", "checkpoint", "on", "mIoU", "sky", "road"]
    assert cells(row) == [
        "a",
        "best (teacher, 7)",
        "test",
        "30.0",
        "20.0",
        "40.0",
    ]


def test_seeds_are_averaged_with_their_deviation():
    seeds = [result(m, [m - 1, m + 1]) for m in (30.0, 32.0, 37.0)]
    row = cells(results_table.table({"a": seeds}).split("\n")[2])
    # Mean 33, sample deviation sqrt((9 + 1 + 16) / 2).
    assert row == ["a", "best of 3 seeds", "test", "33.0 ± 3.6", "32.0", "34.0"]


def test_the_foreground_has_a_column_if_all_results_have_it():
    old = result(30.0, [20.0, 40.0])
    seeds = [result(30.0, [20.0, 40.0]), result(34.0, [18.0, 50.0])]
    for seed in seeds:
        seed["best"]["test"]["foreground_miou"] = seed["best"]["test"]["iou"][1]
    head, _, row = results_table.table({"a": seeds}).split("\n")
    assert cells(head)[3:] == ["mIoU", "foreground", "sky", "road"]
    assert cells(row)[3:] == ["32.0 ± 2.8", "45.0 ± 7.1", "19.0", "45.0"]
    head = results_table.table({"a": seeds, "b": [old]}).split("\n")[0]
    assert cells(head)[3:] == ["mIoU", "sky", "road"]


def test_a_run_that_has_not_finished_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="has not finished"):
        results_table.read(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps(result(1.0, [1.0, 1.0])))
    assert results_table.read(tmp_path)["best"]["step"] == 7
