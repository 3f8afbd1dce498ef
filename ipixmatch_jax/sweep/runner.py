"""Runs a grid of configs in one process and writes one table."""

import logging
import pathlib

import jax

from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.experiment.resolve import program_key
from ipixmatch_jax.sweep import table
from ipixmatch_jax.sweep.grid import Cell, Grid
from ipixmatch_jax.sweep.programs import Programs
from ipixmatch_jax.training import divergence, loop
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

_LOGGER = logging.getLogger("ipixmatch_jax.sweep")

_DIVERGED = "diverged.json"


def run_sweep(grid: Grid, folder: pathlib.Path) -> int:
    """Trains the cells that have not ended and writes the table after each.

    Args:
      grid: see grid.make_grid.
      folder: gets sweep.csv and sweep.md beside the folders of the cells.

    Returns:
      the exit code: 0 at the end, 143 or 130 where a signal stopped the sweep
      after a save.

    Raises:
      ValueError, FileNotFoundError: the data or the devices of a cell do not
        fit; raised before the first cell starts.
    """
    programs, stop = Programs(), StopRequest()
    for cell in grid.cells:
        programs.check_cell(cell.config)
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(grid, folder)
    left = _by_program([cell for cell in grid.cells if not _ended(cell)])
    done = len(grid.cells) - len(left)
    for number, cell in enumerate(left, done + 1):
        name = cell.workdir.relative_to(folder)
        _LOGGER.info("Cell %d of %d: %s", number, len(grid.cells), name)
        code = 0
        try:
            code = loop.train(
                cell.config,
                cell.workdir,
                open_data=programs.open_data,
                build=programs.build,
                stop=stop,
            )
        except divergence.DivergenceError as error:
            _LOGGER.warning("%s diverged: %s", name, error)
            write_json(cell.workdir / _DIVERGED, {"sentence": str(error)})
        _write_table(grid, folder)
        # A signal after the last step of a cell ends the sweep, not the cell.
        if code or stop.asked(cell.config.train.steps):
            return code or stop.exit_code
    return 0


def _by_program(cells: list[Cell]) -> list[Cell]:
    """The cells in their order, but those with equal programs together."""
    first: dict[str, int] = {}
    for cell in cells:
        first.setdefault(program_key(cell.config), len(first))
    return sorted(cells, key=lambda cell: first[program_key(cell.config)])


def _ended(cell: Cell) -> bool:
    names = ("results.json", _DIVERGED)
    return any((cell.workdir / name).exists() for name in names)


def _write_table(grid: Grid, folder: pathlib.Path) -> None:
    """Writes the results so far; only the first process does."""
    if jax.process_index() != 0:
        return
    rows = [table.Row(values, {}, []) for values in grid.rows]
    for cell in grid.cells:
        row, name = rows[cell.row], cell.workdir.relative_to(folder)
        if (cell.workdir / "results.json").exists():
            row.results[cell.config.seed] = results_table.read_results(
                cell.workdir
            )
        elif _ended(cell):
            path = cell.workdir / _DIVERGED
            written = read_json_object(
                path, "remove it to train the cell again"
            )
            sentence = written.get("sentence", f"see {path}")
            row.notes.append(f"{name} diverged: {sentence}")
        else:
            row.notes.append(f"{name} has not finished.")
    table.write_table(folder, grid.fields, rows)
