"""The table of a sweep against published and exact numbers."""

import csv
import io
import math

import numpy as np
import pytest

from ipixmatch_jax.sweep import table

# Student's own data (1908): hours of sleep won by ten patients, drug 2 less
# drug 1. R's t.test documents t = 4.0621, p = 0.002833.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def result(val, test=None):
    part = {"val": {"miou": val}}
    if test is not None:
        part["test"] = {"miou": test}
    return {"best": part, "last": part}


def test_the_p_value_of_students_sleep_data():
    np.testing.assert_allclose(table.paired_p(SLEEP), 0.002833, atol=1e-6)
    less = [-d for d in SLEEP]
    assert table.paired_p(less) == table.paired_p(SLEEP)


@pytest.mark.parametrize("t", [0.01, 0.5, 3.0, 60.0])
def test_p_values_of_two_and_three_pairs_in_closed_form(t):
    # Two pairs m - h, m + h have t = m / h, one degree of freedom (Cauchy).
    p = table.paired_p([t - 1, t + 1])
    np.testing.assert_allclose(p, 1 - 2 / math.pi * math.atan(t), rtol=1e-4)
    # Three m - h, m, m + h have t = sqrt(3) m / h, two degrees of freedom.
    h = math.sqrt(3)
    p = table.paired_p([t - h, t, t + h])
    np.testing.assert_allclose(p, 1 - t / math.sqrt(2 + t * t), rtol=1e-3)


@pytest.mark.parametrize("differences", [[], [1.0], [0.0, 0.0], [2.0, 2.0]])
def test_no_p_without_two_pairs_that_differ(differences):
    assert table.paired_p(differences) is None


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
    assert (first.mean, first.difference, first.p) == (11, None, None)
    np.testing.assert_allclose(first.deviation, math.sqrt(2))
    # The third seed enters the mean but has no pair: differences 3, 1, t = 2.
    assert (second.mean, second.difference, second.pairs) == (22, 2, 2)
    np.testing.assert_allclose(
        second.p, 1 - 2 / math.pi * math.atan(2), rtol=1e-5
    )
    assert (third.mean, third.deviation, third.p) == (None, None, None)


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
    assert cells[3][:3] == ["0.1", "3", "22.0 ± 15.6 (+2.0, p 0.3)"]
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
    assert lines[2]["notes"] == "9.0/seed_0 diverged: Ten in a row."
    assert lines[2]["mean"] == lines[0]["p"] == ""


def test_a_sweep_without_a_finished_run_has_a_table(tmp_path):
    unfinished = [table.Row((), {}, ["config/seed_0 has not finished."])]
    table.write_table(tmp_path, [], unfinished)
    assert "has not finished" in (tmp_path / "sweep.md").read_text()
    assert (tmp_path / "sweep.csv").read_text().startswith("checkpoint,set")
