"""The spread over folds, against numbers worked out by hand."""

import json

import pytest

from ipixmatch_jax.report import folds
from ipixmatch_jax.report.build import write_report
from ipixmatch_jax.report.run_files import list_workdirs, read_runs
from tests.report import report_cases


def write_fold(workdir, fold, miou, **config):
    """A run of two classes that scores `miou` - 10 and `miou` + 10."""
    fields = {"data.folds": 3, "data.fold": fold, **config}
    report_cases.write_run(workdir, names=("sky", "road"), **fields)
    line = {
        "step": 40,
        "val_miou_student": miou,
        "val_iou_student": [miou - 10, miou + 10],
    }
    (workdir / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return workdir


@pytest.fixture
def workdirs(tmp_path):
    """Three folds that score 40, 50 and 66."""
    scores = (40.0, 50.0, 66.0)
    return [
        write_fold(tmp_path / f"fold_{k}", k, score)
        for k, score in enumerate(scores)
    ]


def test_mean_deviation_and_range():
    spread = folds.measure_spread([40.0, 50.0, 66.0])
    assert spread.mean == 52
    # ((12^2 + 2^2 + 14^2) / 2) ** 0.5
    assert spread.deviation == pytest.approx(172**0.5)
    assert spread[2:] == (40, 66)


def test_the_table_has_a_row_per_class(workdirs):
    body = str(folds.folds_section(read_runs(workdirs)).body)
    for words in ("Folds 0, 1, 2 of 3", "52.0", "13.1", "sky", "42.0", "62.0"):
        assert words in body, words
    assert "Without a score" not in body
    assert "Without a score: 2." in str(
        folds.folds_section(read_runs(workdirs[:2])).body
    )


def test_runs_that_differ_in_more_than_the_fold_are_apart(workdirs, tmp_path):
    other = write_fold(tmp_path / "other", 1, 90.0, seed=5)
    (group,) = folds.find_folds(read_runs([*workdirs, other]))
    assert list(group.runs) == [0, 1, 2]
    twice = write_fold(tmp_path / "twice", 1, 90.0)
    assert folds.find_folds(read_runs([*workdirs, twice])) == []
    assert folds.folds_section(read_runs([workdirs[0], other])) is None


def test_what_is_measured_on_a_fold_does_not_part_them(tmp_path):
    found = [
        write_fold(tmp_path / str(k), k, 50.0, **{"data.mean": f"0.{k}"})
        for k in range(2)
    ]
    assert len(folds.find_folds(read_runs(found))) == 1


def test_the_folder_of_a_sweep_stands_for_its_runs(tmp_path):
    sweep = tmp_path / "sweep"
    for k in range(3):
        write_fold(sweep / f"data.fold_{k}/seed_0", k, 40.0 + k)
    (sweep / "sweep.csv").write_text("")
    out = write_report([sweep])
    assert out == sweep / "comparison.html"
    assert "Folds 0, 1, 2 of 3" in out.read_text("utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/sweep.csv").write_text("")
    with pytest.raises(FileNotFoundError, match="none of whose runs"):
        list_workdirs([tmp_path / "empty"])
