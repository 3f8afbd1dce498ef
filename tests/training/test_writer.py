"""What a person sees while a run trains: a clock, the speed, the time left."""

import io
import logging
import re
import sys
import time

import pytest

from ipixmatch_jax.cli.log_lines import TerminalLines
from ipixmatch_jax.training import progress_bar
from ipixmatch_jax.training.pace import Pace
from ipixmatch_jax.training.writer import Writer

METRICS = {
    "loss": 1.23456,
    "loss_x": 0.4,
    "loss_u": 0.25,
    "loss_ip": 0.0125,
    "confident_share": 0.345,
    "learning_rate": 0.01,
}


class Clock:
    """Seconds that a test moves by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def drawn(self):
        """Every state of every line."""
        return re.split(r"[\r\n]+", self.getvalue())


def test_pauses_do_not_count_and_evaluations_to_come_do():
    clock = Clock()
    pace = Pace(0, 100, 30, clock)
    clock.now += 7  # the compilation
    pace.restart(0)
    clock.now += 15
    assert pace.mark(30) == 2.0
    assert pace.seconds_left(30) == 35.0
    with pace.evaluation():
        clock.now += 60
    with pace.pause():
        clock.now += 1000
    clock.now += 5
    assert pace.mark(35) == 1.0
    assert pace.steps_per_second(35) == 35 / 20
    # 65 steps, and the evaluations after 60, 90 and 100 steps.
    assert pace.seconds_left(35) == pytest.approx(65 / (35 / 20) + 3 * 60)
    assert pace.seconds_left(100) == 0.0


def test_a_run_that_continues_measures_its_own_speed():
    clock = Clock()
    pace = Pace(900, 1000, 0, clock)
    clock.now += 10
    assert pace.mark(920) == 2.0
    assert pace.seconds_left(920) == 40.0


def test_the_speed_is_that_of_the_last_lines():
    clock = Clock()
    pace = Pace(0, 10_000, 0, clock)
    for step in range(100, 2100, 100):
        clock.now += 100 if step <= 1000 else 50
        pace.mark(step)
    assert pace.steps_per_second(2000) == 2.0


def written(tmp_path, steps=40_000, **more):
    return Writer(
        tmp_path,
        start=0,
        steps=steps,
        images_per_step=8,
        active=True,
        eval_every=100,
        **more,
    )


def test_a_log_file_names_what_is_done_and_what_it_costs(tmp_path, caplog):
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    with written(tmp_path) as writer:
        with writer.compiling(0):
            said = caplog.messages[-1]
            assert said == "Compiling the training step ..."
        assert caplog.messages[-1] == ("The training step was compiled in 0 s.")
        for step in range(1, 21):
            writer.advance(step)
        said = caplog.messages[-1]
        assert re.fullmatch(
            r"The steps will take about .+ at .+ steps/s; evaluations come on "
            r"top\.",
            said,
        )
        writer.write_training(50, METRICS)
        with writer.scoring():
            assert caplog.messages[-1] == "Scoring val ..."
        assert caplog.messages[-2].startswith(
            "step 50: loss 1.2346 (labelled 0.4000, unlabelled 0.2500, "
            "inter-pixel 0.0125, 34% confident), "
        )
        assert caplog.messages[-2].endswith(" left")


def open_terminal(monkeypatch):
    """A terminal of 80 columns, and a log that is shown there."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "80")
    handler = logging.StreamHandler()
    handler.setFormatter(TerminalLines())
    logger = logging.getLogger("ipixmatch_jax")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setattr(logger, "propagate", False)
    return shown


def wait_for(terminal, words):
    """Until another thread has drawn them, for ten seconds at most."""
    for _ in range(1000):
        if words in terminal.getvalue():
            return
        time.sleep(0.01)
    raise AssertionError(terminal.getvalue())


def test_a_terminal_has_a_clock_and_one_estimate(tmp_path, monkeypatch):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(progress_bar, "_SECONDS", 0.001)
    with written(tmp_path) as writer:
        with writer.compiling(0):
            wait_for(terminal, "Compiling the training step 0:00")
        for step in range(1, 21):
            writer.advance(step)
        writer.write_training(50, METRICS)
        writer.advance(50)
        with writer.scoring():
            wait_for(terminal, "Scoring val 0:00")
    text = terminal.getvalue()
    lines = terminal.drawn()
    assert all(len(line) <= 80 for line in lines)
    # The bar repeats the estimate of the log, and tqdm adds none of its own.
    (said,) = re.findall(r"confident\),?\s+(.+ left)$", text, re.M)
    ends = [line for line in lines if line.startswith("50/40000")]
    assert ends and ends[-1].endswith(said.strip())
    assert "?" not in text and "<" not in text
