"""A sweep of tiny runs: shared programs, signals, divergence, refusals."""

import csv
import json
import logging
import os
import pathlib
import signal

import jax
import numpy as np
import pytest

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.sweep import grid, runner
from ipixmatch_jax.training import divergence, loop, setup
from ipixmatch_jax.training.state_trees import checkpoint_trees
from ipixmatch_jax.training.writer import Writer
from ipixmatch_jax.utils.atomic import write_json
from tests.refusal import refusal
from tests.sweep.finished import write_results
from tests.tiny_run import build, few_scenes, tiny

pytestmark = pytest.mark.slow

# One program for all: it depends on neither split nor seed.
AXES = ["data.split=1_16,1_8", "seed=0,1"]
CELLS = [f"data.split_{s}/seed_{n}" for s in ("1_16", "1_8") for n in (0, 1)]


# The smallest program to compile.
PLAIN = {"method": "supervised", "teacher": "shared", "inter_pixel.weight": 0.0}


def trained(workdir):
    """Reads every array after the last step as NumPy."""
    with Checkpoints(workdir) as checkpoints:
        like = checkpoint_trees(build(tiny(**PLAIN)).like)
        return jax.tree.map(np.asarray, checkpoints.restore(4, like))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of four cells, with SIGTERM at step 2 of the third; its log."""
    folder, lines = tmp_path_factory.mktemp("sweep"), []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    advance = Writer.advance

    def interrupted(self, step):
        if step == 2 and sum(x.startswith("Cell") for x in lines) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        advance(self, step)

    made = grid.make_grid(tiny(**PLAIN), AXES, None, folder)
    loggers = [logging.getLogger(name) for name in ("jax", "ipixmatch_jax")]
    with pytest.MonkeyPatch.context() as patch, jax.log_compiles():
        few_scenes(patch)
        for logger in loggers:
            patch.setattr(logger, "handlers", [handler])
            patch.setattr(logger, "propagate", False)
        level = loggers[1].level
        loggers[1].setLevel(logging.INFO)
        with patch.context() as inner:
            inner.setattr(Writer, "advance", interrupted)
            first = runner.run_sweep(made, folder)
        table = (folder / "sweep.md").read_text()
        lines.append("again")
        second = runner.run_sweep(made, folder)
        loggers[1].setLevel(level)
    return folder, lines, (first, second), table


def test_a_seed_compiles_nothing(swept):
    _, lines, _, _ = swept
    compiled, cell = {}, None
    for line in lines[: lines.index("again")]:
        if line.startswith("Cell"):
            cell = line.split(": ")[1]
            compiled[cell] = []
        elif line.startswith("Finished XLA compilation") and cell:
            compiled[cell].append(line.split(" in ")[0])
    assert any("step" in line for line in compiled[CELLS[0]])
    assert compiled[CELLS[1]] == []
    assert compiled[CELLS[2]] == []


def test_sigterm_in_a_cell_is_continued_in_that_cell(swept):
    folder, lines, codes, table = swept
    assert codes == (143, 0)
    assert f"{CELLS[2]} has not finished" in table
    after = lines[lines.index("again") :]
    started = [x for x in after if x.startswith(("Cell", "Continuing"))]
    assert started == [
        f"Cell 3 of 4: {CELLS[2]}",
        "Continuing after step 2",
        f"Cell 4 of 4: {CELLS[3]}",
    ]
    assert "has not finished" not in (folder / "sweep.md").read_text()


def test_a_shared_program_trains_each_seed_as_a_program_of_its_own(
    swept, tmp_path, monkeypatch
):
    few_scenes(monkeypatch)
    alone = tiny(**PLAIN, **{"seed": 1, "data.split": "1_16"})
    assert loop.train(alone, tmp_path) == 0
    here, there = trained(swept[0] / CELLS[1]), trained(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, here, there)


class LoweredError(Exception):
    """Raised to carry the text of the step's program out of the loop."""


def program(config, workdir):
    def lowering(config, data, mesh):
        built = setup.build(config, data, mesh)

        def lower(*arguments):
            raise LoweredError(built.train_step.lower(*arguments).as_text())

        return built._replace(train_step=lower)

    with pytest.raises(LoweredError) as caught:
        loop.train(config, workdir, build=lowering)
    return str(caught.value)


def test_neither_seed_nor_data_is_a_constant_of_the_program(tmp_path):
    # A constant that must appear in the text, to show that a seed would too.
    rare = {"pseudo_label.threshold": 0.3125}
    one = program(tiny(**rare), tmp_path / "one")
    assert "3.125000e-01" in one
    other = rare | {"seed": 7, "data.split": "1_8", "train.log_every": 1}
    assert program(tiny(**other), tmp_path / "two") == one


def test_the_table_has_the_scores_of_the_runs(swept):
    folder = swept[0]
    with (folder / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4
    row = next(
        r
        for r in rows
        if (r["data.split"], r["checkpoint"], r["set"])
        == ("1_8", "last", "test")
    )
    mious = [
        json.loads((folder / cell / "results.json").read_text())["last"][
            "test"
        ]["miou"]
        for cell in CELLS
    ]
    difference = (mious[2] - mious[0] + mious[3] - mious[1]) / 2
    for name, value in {
        "miou_seed_0": mious[2],
        "miou_seed_1": mious[3],
        "mean": (mious[2] + mious[3]) / 2,
        "deviation": abs(mious[2] - mious[3]) / 2**0.5,
        "difference": difference,
        "pairs": 2,
    }.items():
        np.testing.assert_allclose(float(row[name]), value, atol=1e-5)


@pytest.fixture
def fake(monkeypatch):
    """Replaces train: the seed is the score, and seed 1 diverges.

    Returns the list of the folders that it was called with.
    """
    calls = []

    def run(config, workdir, *, open_data, build, stop, locked):
        assert locked
        calls.append(workdir)
        write_json(workdir / "config.json", config.to_dict())
        if config.seed == 1:
            raise divergence.DivergenceError("Ten in a row.")
        write_results(workdir, float(config.seed))
        return 0

    monkeypatch.setattr(loop, "train", run)
    return calls


def test_a_torn_record_of_a_cell_is_named(fake, tmp_path):
    made = grid.make_grid(tiny(), ["seed=1"], "inter_pixel.weight=0", tmp_path)
    assert runner.run_sweep(made, tmp_path) == 0
    torn = tmp_path / "config/seed_1/diverged.json"
    torn.write_text('{"sent')
    with pytest.raises(ValueError, match=r"seed_1/diverged\.json is not whole"):
        runner.run_sweep(made, tmp_path)


def test_a_diverged_cell_is_recorded_and_not_repeated(fake, tmp_path):
    made = grid.make_grid(
        tiny(), ["seed=0,1,2"], "inter_pixel.weight=0", tmp_path
    )
    assert runner.run_sweep(made, tmp_path) == 0
    assert len(fake) == 6
    table = (tmp_path / "sweep.md").read_text()
    assert "- config/seed_1 diverged: Ten in a row." in table
    assert "| 2     | 1.0 ± 1.4 (+0.0, p - / 1) " in table
    assert runner.run_sweep(made, tmp_path) == 0
    assert len(fake) == 6


def test_a_signal_after_the_last_step_ends_the_sweep(
    fake, tmp_path, monkeypatch
):
    monkeypatch.setattr(StopRequest, "asked", lambda self, step: len(fake) == 1)
    made = grid.make_grid(tiny(), ["seed=0,2"], None, tmp_path)
    assert runner.run_sweep(made, tmp_path) == 143
    assert len(fake) == 1


def test_cells_with_equal_programs_run_one_after_another(fake, tmp_path):
    axes = ["data.split=1_16,1_8", "inter_pixel.weight=0.1,0.2"]
    runner.run_sweep(grid.make_grid(tiny(), axes, None, tmp_path), tmp_path)
    weights = [str(f.parent).rpartition("_")[2] for f in fake]
    assert weights == ["0.1", "0.1", "0.2", "0.2"]


def test_missing_data_is_reported_before_the_first_cell(fake, tmp_path):
    folder = tmp_path / "sweep"
    made = grid.make_grid(tiny(), ["data.split=1_16,1_3"], None, folder)
    with pytest.raises(ValueError, match="no split '1_3'"):
        runner.run_sweep(made, folder)
    assert not fake and not folder.exists()


def test_fields_that_go_together_and_a_baseline_row(tmp_path):
    pair = "inter_pixel.relation+inter_pixel.distance=channel+kl,pixel+kl"
    axes = ["seed=3,4", pair, "train.learning_rate=1e-2,1e+0"]
    made = grid.make_grid(tiny(), axes, "inter_pixel.weight=0", tmp_path)
    assert made.fields == (
        "inter_pixel.weight",
        "inter_pixel.relation",
        "inter_pixel.distance",
        "train.learning_rate",
    )
    assert made.rows == [
        ("0.0", "channel", "correlation", "0.03"),
        ("0.1", "channel", "kl", "0.01"),
        ("0.1", "channel", "kl", "1.0"),
        ("0.1", "pixel", "kl", "0.01"),
        ("0.1", "pixel", "kl", "1.0"),
    ]
    assert [(c.row, c.config.seed) for c in made.cells] == [
        (row, seed) for row in range(5) for seed in (3, 4)
    ]
    assert made.cells[4].workdir == pathlib.Path(
        tmp_path,
        "inter_pixel.relation_channel_inter_pixel.distance_kl_"
        "train.learning_rate_1.0",
        "seed_3",
    )
    assert made.cells[0].config.inter_pixel.weight == 0
    assert made.cells[2].config.inter_pixel.distance == "kl"


@pytest.mark.parametrize(
    ("axes", "baseline", "sentence"),
    [
        (["seed"], None, "is not FIELD=VALUE"),
        (["inter_pixel.wieght=0"], None, "no field .*inter_pixel.weight"),
        (["train.steps.all=1"], None, "no field config.train.steps.all"),
        (["inter_pixel=0"], None, "is a section; name one of .*pixel.weight"),
        (["train.steps=2.5"], None, "train.steps takes a whole number"),
        (["ema.rampup=maybe"], None, "ema.rampup takes True or False"),
        (["seed+train.steps=0+1"], None, "an axis of its own"),
        (["seed+train.steps=0"], None, "1 values and .* 2 fields"),
        (["seed=0", "seed=1"], None, "in two axes"),
        (["seed=0,1,0"], None, "are the same run"),
        (["train.learning_rate=1,1.0"], None, "are the same run"),
        (["inter_pixel.weight=0.1"], "inter_pixel.weight=0.1", "the same run"),
        (["seed=0"], "inter_pixel.weight=0,1", "is not one row"),
        (["inter_pixel.distance=kl,mse"], None, "The cell .*distance=mse: "),
        (["inter_pixel.weight=nan"], None, "weight=nan is not a number"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_sentence(
    axes, baseline, sentence, tmp_path
):
    with pytest.raises(ValueError, match=sentence):
        grid.make_grid(tiny(), axes, baseline, tmp_path)


def test_a_folder_of_another_config_is_refused(fake, tmp_path):
    axes = ["seed=0,2"]
    runner.run_sweep(grid.make_grid(tiny(), axes, None, tmp_path), tmp_path)
    changed = tiny(**{"train.steps": 6})
    with pytest.raises(ValueError, match=r"train\.steps is 4 there and 6 here"):
        grid.make_grid(changed, axes, None, tmp_path)


def test_the_command_answers_a_mistake_in_one_line(tmp_path):
    arguments = {
        "--config": "configs/shapes.py",
        "--grid": "inter_pixel.relation=channel,pixels",
        "--workdir": str(tmp_path),
    }
    words = [word for pair in arguments.items() for word in pair]
    line = refusal("sweep", *words)
    assert ": The cell inter_pixel.relation=pixels: " in line
    assert not list(tmp_path.iterdir())
