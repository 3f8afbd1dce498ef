"""Rows that are given up: when, by which scores, and what the table says."""

import pathlib

import pytest
from ml_collections import ConfigDict

from ipixmatch_jax.sweep import grid, pruning, runner
from ipixmatch_jax.sweep.grid import Cell, Grid
from ipixmatch_jax.sweep.outcome import Outcome
from ipixmatch_jax.sweep.pruning import Pruning, plan_cells
from ipixmatch_jax.training import loop
from ipixmatch_jax.utils.atomic import write_json
from tests.refusal import refusal
from tests.sweep.finished import write_results
from tests.tiny_run import tiny

RULE = Pruning(points=1.0, after=2)
SEEDS = (5, 6, 7, 8)


def two_rows():
    """Cells 0 to 3 are the first row's, 4 to 7 those of the row `new`."""
    cells = [
        Cell(row, ConfigDict({"seed": seed}), pathlib.Path(name, str(seed)))
        for row, name in enumerate(("host", "new"))
        for seed in SEEDS
    ]
    return Grid(("x",), [("host",), ("new",)], cells)


def outcomes(host, new):
    """From scores: None for a cell that has not ended, "" for a diverged."""
    made = []
    for scores in (host, new):
        for score in (*scores, None, None, None, None)[: len(SEEDS)]:
            if score is None:
                made.append(Outcome())
            elif score == "":
                made.append(Outcome(diverged="Ten in a row."))
            else:
                last = {"last": {"val": {"miou": score}}}
                # The best checkpoint does not count.
                made.append(Outcome(last | {"best": {"val": {"miou": 99.0}}}))
    return made


@pytest.mark.parametrize(
    ("host", "new", "ready", "later", "dropped"),
    [
        # Nothing has ended: two seeds of the row, and all of the first one.
        ((), (), [0, 1, 2, 3, 4, 5], [6, 7], []),
        # One seed each, or two of the row before two of the first.
        ((30,), (20,), [1, 2, 3, 5], [6, 7], []),
        ((30,), (20, 20), [1, 2, 3], [6, 7], []),
        # Two points and no point behind: a point in the mean.
        ((30, 30), (28, 30), [2, 3], [], [6, 7]),
        ((30, 30), (28.1, 30), [2, 3, 6], [7], []),
        # It is judged again before the fourth seed, on all three.
        ((30, 30), (30, 30, 25), [2, 3], [7], []),
        ((30, 30, 30), (30, 30, 25), [3], [], [7]),
        ((30, 30, 30), (30, 30, 28), [3, 7], [], []),
        # A seed that diverged on one side makes no pair.
        ((30, 30, 30), (20, ""), [3, 6], [7], []),
        ((30, "", 30), (20, 20, 20), [3], [], [7]),
        # A row that is done is not judged.
        ((30, 30, 30, 30), (20, 20, 20, 20), [], [], []),
    ],
)
def test_a_row_that_is_behind_gets_no_further_seed(
    host, new, ready, later, dropped
):
    plan = plan_cells(two_rows(), outcomes(host, new), RULE)
    assert (plan.ready, plan.later, plan.dropped) == (ready, later, dropped)
    assert list(plan.pruned) == [1] * bool(dropped)


def test_without_a_rule_every_cell_is_ready():
    plan = plan_cells(two_rows(), outcomes((30, 30), (20, 20)), None)
    assert plan == ([2, 3, 6, 7], [], {}, [])


def test_the_reason_names_seeds_points_and_limit():
    plan = plan_cells(two_rows(), outcomes((30, 31), (29, 28.5)), RULE)
    assert plan.pruned[1] == (
        "new was pruned: with seeds 5, 6 it is 1.75 points behind the first "
        "row on val after the last step (--prune=1). Not trained: seeds 7, 8."
    )


@pytest.fixture
def trained(monkeypatch):
    """Replaces train: the score is 30 plus the seed less 3 weights."""
    calls = []

    def train(config, workdir, **_):
        weight = config.inter_pixel.weight
        calls.append((weight, config.seed))
        write_json(workdir / "config.json", config.to_dict())
        write_results(workdir, 30 + config.seed - 3 * weight)
        return 0

    monkeypatch.setattr(loop, "train", train)
    return calls


def test_a_pruned_row_stays_in_the_table_and_can_be_trained_later(
    trained, tmp_path
):
    axes = ["inter_pixel.weight=0.1,1.0", "seed=0,1,2"]
    made = grid.make_grid(tiny(), axes, "inter_pixel.weight=0", tmp_path)
    assert runner.run_sweep(made, tmp_path, RULE) == 0
    host, near = ([(w, s) for s in range(3)] for w in (0.0, 0.1))
    assert trained == [*host, *near, (1.0, 0), (1.0, 1)]
    text = (tmp_path / "sweep.md").read_text()
    assert "| 1.0                | 2     | 27.5 ± 0.7 (-3.0" in text
    assert "- inter_pixel.weight_1.0 was pruned: with seeds 0, 1 it " in text
    assert "not finished" not in text
    assert "was pruned" in (tmp_path / "sweep.csv").read_text()
    # Repeated, it trains nothing; without the rule it trains the rest.
    assert runner.run_sweep(made, tmp_path, RULE) == 0
    assert len(trained) == 8
    assert runner.run_sweep(made, tmp_path) == 0
    assert trained[8:] == [(1.0, 2)]
    assert "pruned" not in (tmp_path / "sweep.md").read_text()


def test_a_rule_that_saves_nothing_is_refused():
    one_row = Grid((), [()], two_rows().cells[:4])
    with pytest.raises(ValueError, match="this sweep has one row"):
        pruning.check_pruning(RULE, one_row)
    with pytest.raises(ValueError, match="each row has 4 seeds"):
        pruning.check_pruning(Pruning(1.0, 4), two_rows())
    pruning.check_pruning(Pruning(1.0, 3), two_rows())


@pytest.mark.slow
def test_the_command_refuses_the_rule_in_one_line(tmp_path):
    words = ["--config", "configs/shapes.py", "--workdir", str(tmp_path)]
    axis = ["--grid", "inter_pixel.weight=0,0.1"]
    line = refusal("sweep", *words, *axis, "--prune", "1")
    assert "each row has 1 seed: give more seeds" in line
    assert not list(tmp_path.iterdir())
