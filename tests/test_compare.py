"""The command that puts finished runs into one table."""

import json
import sys

import pytest

from ipixmatch_jax import compare


def write_run(folder, miou):
    folder.mkdir()
    part = {"network": "teacher", "step": 7}
    scores = {"miou": miou, "iou": [miou - 10, miou + 10]}
    part |= {"val": scores, "test": scores}
    results = {"best": part, "last": part, "class_names": ["sky", "road"]}
    results["files"] = {"metrics": str(folder / "metrics.jsonl")}
    (folder / "results.json").write_text(json.dumps(results), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("seeds", "warns"), [((1, 1), True), ((2, 1), True), ((2, 2), False)]
)
def test_rows_of_one_seed_are_not_ranked(
    seeds, warns, tmp_path, monkeypatch, capsys
):
    words = []
    for name, count in zip(("host", "ours"), seeds, strict=True):
        runs = [
            str(write_run(tmp_path / f"{name}{i}", 30.0 + i))
            for i in range(count)
        ]
        words.append(f"{name}={','.join(runs)}")
    monkeypatch.setattr(sys, "argv", ["compare", *words])
    compare.main()
    printed = capsys.readouterr().out
    assert ("depends on its seed" in printed) == warns
    mean = "30.5 ± 0.7" if seeds[0] == 2 else "30.0"
    assert mean in printed
    assert str(tmp_path / "host0" / "metrics.jsonl") in printed


def test_a_single_row_needs_no_warning(tmp_path, monkeypatch, capsys):
    run = write_run(tmp_path / "run", 30.0)
    monkeypatch.setattr(sys, "argv", ["compare", str(run)])
    compare.main()
    assert "depends on its seed" not in capsys.readouterr().out
