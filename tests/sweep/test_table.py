"""The table of a sweep against numbers worked out by hand."""

import csv
import io
import math

import numpy as np

from ipixmatch_jax.sweep import table


def result(val, test=None):
    part = {"val": {"miou": val}}
    if test is not None:
        part["test"] = {"miou": test}
    return {"best": part, "last": part}


def rows():
    return [
        table.Row(("0.0",), {0: result(10, 20), 1: result(12, 21)}, []),
        table.Row(
            ("0.1",),
            {0: result(13, 22), 1: result(13, 22), 2: result(40, 50)},
            [],
        ),
        table.Row(("9.0",), {}, ["9.0/seed_0 diverged: Ten in a row."]),
    ]


def test_seeds_are_paired_and_the_first_row_is_compared_with_nothing():
    first, second, third = table.summarise_columns(rows())["best", "val"]
    assert (first.mean, first.paired) == (11, None)
    np.testing.assert_allclose(first.deviation, math.sqrt(2))
    # The third seed enters the mean but has no pair: differences 3, 1, t = 2.
    assert (second.mean, second.paired.mean, second.paired.pairs) == (22, 2, 2)
    np.testing.assert_allclose(
        second.paired.p_t, 1 - 2 / math.pi * math.atan(2), rtol=1e-5
    )
    assert (third.mean, third.deviation, third.paired) == (None, None, None)


def test_markdown_has_a_line_per_row_and_the_notes():
    lines = table.format_markdown(["inter_pixel.weight"], rows()).splitlines()
    cells = [[c.strip() for c in x.strip("|").split("|")] for x in lines[:5]]
    assert cells[0][:4] == [
        "inter_pixel.weight",
        "seeds",
        "best on val",
        "best on test",
    ]
    assert cells[2][:3] == ["0.0", "2", "11.0 ± 1.4"]
    # A t table has 12.706 for 1 degree of freedom at 97.5 %.
    assert cells[3][:3] == [
        "0.1",
        "3",
        "22.0 ± 15.6 (+2.0 [-10.7, +14.7], p 0.3 / 0.5)",
    ]
    assert cells[4] == ["9.0", "0", "-", "-", "-", "-"]
    assert lines[-1] == "- 9.0/seed_0 diverged: Ten in a row."


def test_csv_has_a_line_per_row_checkpoint_and_set():
    text = table.format_csv(["inter_pixel.weight"], rows())
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 3 * 4
    line = lines[1]
    assert (line["inter_pixel.weight"], line["checkpoint"], line["set"]) == (
        "0.1",
        "best",
        "val",
    )
    assert [line[f"miou_seed_{s}"] for s in range(3)] == ["13", "13", "40"]
    assert (line["seeds"], line["difference"], line["pairs"]) == ("3", "2", "2")
    assert line["low"].startswith("-10.706") and line["p_wilcoxon"] == "0.5"
    assert line["high"].startswith("14.706") and line["p_t"].startswith("0.295")
    assert lines[2]["notes"] == "9.0/seed_0 diverged: Ten in a row."
    assert lines[2]["mean"] == lines[0]["p_t"] == lines[0]["low"] == ""


def test_a_sweep_without_a_finished_run_has_a_table(tmp_path):
    unfinished = [table.Row((), {}, ["config/seed_0 has not finished."])]
    table.write_table(tmp_path, [], unfinished)
    assert "has not finished" in (tmp_path / "sweep.md").read_text()
    assert (tmp_path / "sweep.csv").read_text().startswith("checkpoint,set")
