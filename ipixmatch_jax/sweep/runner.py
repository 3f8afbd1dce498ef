"""Trains the cells of a grid and writes one table.

Several processes may run one sweep: each takes a cell by its workdir's lock,
which the kernel frees when a process ends, however it ends.
"""

import contextlib
import logging
import pathlib
import time
from collections.abc import Iterator, Sequence

import jax

from ipixmatch_jax.checkpoints.workdir_lock import InUseError, lock_workdir
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment.resolve import program_key
from ipixmatch_jax.sweep import table
from ipixmatch_jax.sweep.grid import Cell, Grid
from ipixmatch_jax.sweep.outcome import (
    Outcome,
    has_ended,
    read_outcome,
    record_divergence,
)
from ipixmatch_jax.sweep.programs import Programs
from ipixmatch_jax.sweep.pruning import Plan, Pruning, plan_cells
from ipixmatch_jax.training import divergence, loop
from ipixmatch_jax.utils.atomic import require_folder

_LOGGER = logging.getLogger("ipixmatch_jax.sweep")

_PAUSE = 2.0  # seconds between two looks at the cells of other processes


def run_sweep(
    grid: Grid, folder: pathlib.Path, pruning: Pruning | None = None
) -> int:
    """Trains the cells that have not ended and writes the table after each.

    Cells that other processes train are left to them. Where no other cell is
    left it waits for their end, and takes over those of a process that dies.

    Args:
      grid: see grid.make_grid.
      folder: gets sweep.csv and sweep.md beside the folders of the cells.
      pruning: gives rows up early; None trains every cell.

    Returns:
      the exit code: 0 at the end, 143 or 130 where a signal stopped the sweep
      after a save.

    Raises:
      ValueError, FileNotFoundError: the data or the devices of a cell do not
        fit; raised before the first cell starts.
    """
    require_folder(folder, "--workdir")
    programs = Programs()
    for cell in grid.cells:
        programs.check_cell(cell.config)
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(grid, folder, pruning)
    code = _train_cells(grid, folder, pruning, programs)
    # Another process may have written an older table since.
    _write_table(grid, folder, pruning)
    return code


def _train_cells(
    grid: Grid,
    folder: pathlib.Path,
    pruning: Pruning | None,
    programs: Programs,
) -> int:
    """Trains until every cell has ended, or to a signal; see `run_sweep`."""
    stop, waiting = StopRequest(), False
    order = _order_by_program(grid.cells)
    while True:
        plan = plan_cells(grid, _read_outcomes(grid), pruning)
        if not plan.ready and not plan.later:
            return 0
        code = 0
        ready = [number for number in order if number in plan.ready]
        with _claim(grid.cells, ready) as number:
            if number is not None:
                cell = grid.cells[number]
                name = cell.workdir.relative_to(folder)
                place = order.index(number) + 1
                _LOGGER.info("Cell %d of %d: %s", place, len(order), name)
                code = _train(cell, programs, stop)
        if code:
            return code
        if number is None:
            _wait(plan, say=not waiting)
        else:
            _write_table(grid, folder, pruning)
        waiting = number is None


@contextlib.contextmanager
def _claim(
    cells: Sequence[Cell], numbers: Sequence[int]
) -> Iterator[int | None]:
    """Locks the first of some cells that nobody trains or has trained.

    Yields:
      its number; None where there is none.
    """
    for number in numbers:
        workdir = cells[number].workdir
        workdir.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(lock_workdir(workdir))
            except InUseError:
                continue
            # It may have ended between the plan and the lock.
            if not has_ended(workdir):
                yield number
                return
    yield None


def _train(cell: Cell, programs: Programs, stop: StopRequest) -> int:
    """Trains a cell whose workdir is locked; returns the exit code."""
    code = 0
    try:
        code = loop.train(
            cell.config,
            cell.workdir,
            open_data=programs.open_data,
            build=programs.build,
            stop=stop,
            locked=True,
        )
    except divergence.DivergenceError as error:
        _LOGGER.warning("%s diverged: %s", cell.workdir, error)
        record_divergence(cell.workdir, str(error))
    # A signal after the last step of a cell ends the sweep, not the cell.
    if not code and stop.asked(cell.config.train.steps):
        return stop.exit_code
    return code


def _wait(plan: Plan, *, say: bool) -> None:
    """Waits a moment for the cells of other processes."""
    if say:
        count = len(plan.ready) + len(plan.later)
        _LOGGER.info(
            "Waiting for other processes, which train what is left: %d cell%s",
            count,
            "s" * (count > 1),
        )
    time.sleep(_PAUSE)


def _order_by_program(cells: Sequence[Cell]) -> list[int]:
    """The cells' numbers in order, but those with equal programs together."""
    keys = [program_key(cell.config) for cell in cells]
    return sorted(range(len(keys)), key=lambda n: (keys.index(keys[n]), n))


def _read_outcomes(grid: Grid) -> list[Outcome]:
    return [read_outcome(cell.workdir) for cell in grid.cells]


def _write_table(
    grid: Grid, folder: pathlib.Path, pruning: Pruning | None
) -> None:
    """Writes the results so far; only the first process does."""
    if jax.process_index() != 0:
        return
    outcomes = _read_outcomes(grid)
    plan = plan_cells(grid, outcomes, pruning)
    rows = [table.Row(values, {}, []) for values in grid.rows]
    for number, (cell, outcome) in enumerate(
        zip(grid.cells, outcomes, strict=True)
    ):
        row, name = rows[cell.row], cell.workdir.relative_to(folder)
        if outcome.results is not None:
            row.results[cell.config.seed] = outcome.results
        elif outcome.diverged is not None:
            row.notes.append(f"{name} diverged: {outcome.diverged}")
        elif number not in plan.dropped:
            row.notes.append(f"{name} has not finished.")
    for place, reason in plan.pruned.items():
        rows[place].notes.append(reason)
    table.write_table(folder, grid.fields, rows)
