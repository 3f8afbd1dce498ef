"""What a report reads in metrics.jsonl."""

import pytest

from ipixmatch_jax.report import build, metrics_log
from tests.report import report_cases

pytestmark = pytest.mark.slow


def write_lines(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_the_later_value_counts_and_an_unfinished_line_is_ignored(tmp_path):
    path = write_lines(
        tmp_path / "metrics.jsonl",
        '{"step": 4, "loss": 4.0, "note": "text"}',
        '{"step": 2, "loss": 2.0}',
        '{"step": 4, "loss": 5.0, "shares": [0.5, 1]}',
        '{"step": 4, "val_miou_student": 7.0}',
    )
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    history = metrics_log.read_metrics(path)
    assert history.series == {
        "loss": {2: 2.0, 4: 5.0},
        "shares": {4: [0.5, 1]},
        "val_miou_student": {4: 7.0},
    }
    assert history.notes == ()
    assert history.last_step == 4
    assert list(history.series["loss"]) == [2, 4]


def test_unreadable_lines_are_left_out_and_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "a": 1}\n{"st\n[3]\n\n{"a": 1}\n\xff\xfe\n')
    history = metrics_log.read_metrics(path)
    assert history.series == {"a": {1: 1}}
    assert history.notes == (
        "metrics.jsonl: unreadable and left out: line 2, 3, 5, 6.",
    )
    missing = metrics_log.read_metrics(tmp_path / "none.jsonl")
    assert missing.series == {}
    assert missing.last_step == 0
    assert missing.best() is None
    assert missing.timing() is None


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 9, "loss": [1, 2]}',
        '{"step": 9, "val_miou_student": [1.0]}',
        '{"step": 9, "val_iou_student": 3}',
        '{"step": 9, "val_iou_student": [1, 2, 3]}',
        '{"step": 9, "confident_share_by_class": [1, "a"]}',
        '{"step": 9, "loss": true}',
        f'{{"step": 9, "loss": {10**400}}}',
        '{"step": -9, "loss": 1}',
        '{"step": true, "loss": 1}',
        f'{{"step": {10**40}, "loss": 1}}',
        "[" * 100_000,
    ],
)
def test_a_line_that_cannot_be_drawn_is_left_out_and_named(tmp_path, line):
    run = report_cases.write_run(tmp_path / "run", **{"data.root": "gone"})
    path = run / "metrics.jsonl"
    wanted = metrics_log.read_metrics(path).series
    with path.open("a") as file:
        file.write(f"{line}\n")
    found = metrics_log.read_metrics(path)
    assert found.series == wanted
    assert found.notes[0].startswith("metrics.jsonl: unreadable and left out")
    assert 'id="progress"' in build.build_page([run], images=0)


def test_the_best_is_the_first_of_the_highest():
    history = metrics_log.History(
        {
            "val_miou_student": {10: 5.0, 20: 9.0, 30: 9.0},
            "val_miou_teacher": {10: 6.0, 20: 8.0, 30: float("nan")},
        }
    )
    assert history.best() == (20, "student", 9.0)


def test_training_time_is_summed_over_the_logged_lines():
    history = metrics_log.History(
        {
            "steps_per_second": {10: 1.0, 30: 4.0, 40: 2.0},
            "images_per_second": {10: 8.0, 30: 32.0, 40: 16.0},
        }
    )
    # 10 / 1 + 20 / 4 + 10 / 2
    assert history.timing() == (20.0, 2.0, 16.0)
