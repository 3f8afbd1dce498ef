"""benchmarks.best_rows picks the rows of a sweep to repeat."""

import pytest

from benchmarks.best_rows import best_rows
from ipixmatch_jax.sweep import table

FIELDS = ("inter_pixel.relation", "inter_pixel.weight")


def row(relation, weight, *miou):
    results = {
        seed: {"best": {"val": {"miou": score}, "test": {"miou": 100 - score}}}
        for seed, score in enumerate(miou)
    }
    empty = {"last": {}}
    by_seed = {seed: result | empty for seed, result in results.items()}
    return table.Row((relation, weight), by_seed, [])


@pytest.fixture
def lines():
    rows = [
        row("channel", "0.0", 90.0, 90.0),
        row("channel", "0.1", 50.0, 52.0),
        row("pixel", "0.1", 60.0, 61.0),
        row("affinity", "0.1"),
        row("pixel", "1.0", 70.0, 40.0),
    ]
    return table.format_csv(FIELDS, rows).splitlines()


def test_the_best_rows_on_val_leave_the_baseline_out(lines):
    assert best_rows(lines, 2) == (
        "inter_pixel.relation+inter_pixel.weight=pixel+0.1,pixel+1.0"
    )


def test_asking_for_more_rows_than_have_finished_is_refused(lines):
    with pytest.raises(ValueError, match="has 3 finished rows"):
        best_rows(lines, 4)
