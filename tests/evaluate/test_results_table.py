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
    head, _, row = results_table.format_table(
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
    row = cells(results_table.format_table({"a": seeds}).split("\n")[2])
    # Mean 33, sample deviation sqrt((9 + 1 + 16) / 2).
    assert row == ["a", "best of 3 seeds", "test", "33.0 ± 3.6", "32.0", "34.0"]


def test_the_foreground_has_a_column_if_all_results_have_it():
    old = result(30.0, [20.0, 40.0])
    seeds = [result(30.0, [20.0, 40.0]), result(34.0, [18.0, 50.0])]
    for seed in seeds:
        seed["best"]["test"]["foreground_miou"] = seed["best"]["test"]["iou"][1]
    head, _, row = results_table.format_table({"a": seeds}).split("\n")
    assert cells(head)[3:] == ["mIoU", "foreground", "sky", "road"]
    assert cells(row)[3:] == ["32.0 ± 2.8", "45.0 ± 7.1", "19.0", "45.0"]
    head = results_table.format_table({"a": seeds, "b": [old]}).split("\n")[0]
    assert cells(head)[3:] == ["mIoU", "sky", "road"]


def test_the_end_of_a_run_has_a_row_per_class():
    part = {"network": "teacher", "step": 7, "val": {"miou": 30.0}}
    part["val"] |= {"iou": [20.0, 40.0]}
    both = {"best": part, "last": part, "class_names": ["sky", "road"]}
    *lines, note = results_table.format_run(both).split("\n")
    rows = [cells(line) for line in lines]
    assert rows[0] == ["IoU in %", "best and last, val"]
    assert rows[2:] == [
        ["mean (mIoU)", "30.0"],
        ["sky", "20.0"],
        ["road", "40.0"],
    ]
    assert note == "best and last: the teacher after 7 steps"
    other = part | {"step": 9, "val": {"miou": 25.0, "iou": [10.0, 40.0]}}
    text = results_table.format_run(both | {"last": other})
    assert cells(text.split("\n")[0])[1:] == ["best, val", "last, val"]
    assert cells(text.split("\n")[2])[1:] == ["30.0", "25.0"]
    assert "last: the teacher after 9 steps" in text
    assert max(map(len, text.split("\n"))) <= 80


def test_the_foreground_is_a_row_of_its_own():
    score = {"miou": 30.0, "foreground_miou": 40.0, "iou": [20.0, 40.0]}
    text = results_table.format_scores(["background", "road"], {"a": score})
    assert cells(text.split("\n")[3]) == ["mean without background", "40.0"]


def test_a_run_that_has_not_finished_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="has not finished"):
        results_table.read_results(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps(whole()))
    assert results_table.read_results(tmp_path)["best"]["step"] == 7


def whole():
    scores = {"miou": 30.0, "iou": [20.0, 40.0]}
    part = {"network": "teacher", "step": 7, "val": scores}
    names = ["sky", "road"]
    return {"best": part, "last": part, "class_names": names, "files": {}}


def without(name):
    return {k: v for k, v in whole().items() if k != name}


def changed(**values):
    return whole() | {"last": whole()["last"] | values}


WRONG = {
    "a list": [1],
    "nothing": {},
    "no names": without("class_names"),
    "names that are no text": whole() | {"class_names": [1, 2]},
    "no best": without("best"),
    "best as text": whole() | {"best": "x"},
    "a step as text": changed(step="7"),
    "no network": changed(network=None),
    "no scores": changed(val=None),
    "scores of another number of classes": changed(
        val={"miou": 1.0, "iou": [1.0]}
    ),
    "a score as text": changed(val={"miou": "1", "iou": [1.0, 1.0]}),
    "test as a list": changed(test=[]),
    "files as a list": whole() | {"files": []},
    "versions as numbers": whole() | {"made_with": {"jax": 1}},
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_results_of_another_shape_are_named_in_one_sentence(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="remove it") as error:
        results_table.read_results(tmp_path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
