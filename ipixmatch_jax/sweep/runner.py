"""Runs a grid of configs in one process and writes one table:

python -m ipixmatch_jax.sweep --config CONFIG --grid inter_pixel.weight=0,0.1 \
  --grid seed=0,1,2 --workdir DIR
"""

import functools
import json
import logging
import pathlib
import sys

from absl import app, flags

from ipixmatch_jax import main as command

# Data workers import this file again: everything heavy waits for main().
_GRID = flags.DEFINE_multi_string(
    "grid",
    [],
    "An axis, FIELD=VALUE,VALUE, or FIELD+FIELD=VALUE+VALUE,VALUE+VALUE for "
    "fields that change together. Give it once per axis; `seed` is averaged "
    "over, the others make the rows.",
)
_BASELINE = flags.DEFINE_string(
    "baseline", None, "FIELD=VALUE of one more row, ahead of the others."
)
_LOGGER = logging.getLogger("ipixmatch_jax.sweep")

_DIVERGED = "diverged.json"
# What no compiled program depends on; see parts.build.
_OUTSIDE_DATA = ("name", "root", "splits_dir", "split")
_OUTSIDE = {
    "train": ("eval_every", "save_every", "log_every"),
    "data": (
        *_OUTSIDE_DATA,
        *("holdout", "tfds", "image_feature", "mask_feature"),
        "num_workers",
    ),
}


def _program_key(config) -> str:
    """Equal for configs whose compiled programs are the same."""
    from ipixmatch_jax.sweep import grid

    fields = grid.plain(config)
    del fields["seed"]
    for section, names in _OUTSIDE.items():
        for name in names:
            del fields[section][name]
    if config.inter_pixel.weight == 0:
        del fields["inter_pixel"]
    return json.dumps(fields, sort_keys=True)


class Programs:
    """Builds parts: of one's own data, with the programs of the run before.

    Only the last programs are kept, so that a long sweep does not fill the
    memory; equal ones are to be asked for in a row.
    """

    def __init__(self):
        self._data = {}
        self._key, self._parts = None, None

    def open_data(self, config):
        """The config's data set, opened and checked once."""
        from ipixmatch_jax.data import registry
        from ipixmatch_jax.training import setup

        fields = _OUTSIDE_DATA + registry.OPTIONS.get(config.data.name, ())
        key = tuple(config.data[field] for field in fields)
        if key not in self._data:
            self._data[key] = setup.open_data(config)
        setup.match_data(config, self._data[key])
        return self._data[key]

    def check(self, config) -> None:
        """What parts.build would refuse, without the building."""
        from ipixmatch_jax.distributed import mesh as sharding

        if config.train.batch_size == 0:
            raise ValueError(
                "A sweep compares runs of one batch, which "
                "config.train.batch_size=0 does not promise: give a number."
            )
        mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
        sharding.check_batch(
            config.train.batch_size, mesh, config.train.accumulate
        )
        self.open_data(config)

    def build(self, config):
        """See parts.build."""
        from ipixmatch_jax.training import setup

        data, key = self.open_data(config), _program_key(config)
        if key != self._key:
            self._key, self._parts = None, None
            self._parts, self._key = setup.build(config, data), key
        return self._parts._replace(data=data)


def run(grid, folder: pathlib.Path) -> int:
    """Runs what is not done, cell by cell, and writes the table after each.

    Args:
      grid: from grid.make.
      folder: gets sweep.csv and sweep.md beside the cells' own folders.

    Returns:
      the exit code: 0 at the end, 143 or 130 after a save on a signal.

    Raises:
      ValueError, FileNotFoundError: a cell's data or devices do not fit;
        raised before the first cell starts.
    """
    from ipixmatch_jax.distributed.preemption import StopRequest
    from ipixmatch_jax.training import divergence, loop
    from ipixmatch_jax.training.writer import write_json

    programs, stop = Programs(), StopRequest()
    for cell in grid.cells:
        programs.check(cell.config)
    folder.mkdir(parents=True, exist_ok=True)
    _write(grid, folder)
    left = _by_program([cell for cell in grid.cells if not _ended(cell)])
    done = len(grid.cells) - len(left)
    for number, cell in enumerate(left, done + 1):
        name = cell.workdir.relative_to(folder)
        _LOGGER.info("Cell %d of %d: %s", number, len(grid.cells), name)
        code = 0
        try:
            code = loop.train(
                cell.config, cell.workdir, build=programs.build, stop=stop
            )
        except divergence.DivergenceError as error:
            _LOGGER.warning("%s diverged: %s", name, error)
            write_json(cell.workdir / _DIVERGED, {"sentence": str(error)})
        _write(grid, folder)
        # A signal after a cell's last step ends the sweep, not the cell.
        if code or stop.asked(cell.config.train.steps):
            return code or stop.exit_code
    return 0


def _by_program(cells: list) -> list:
    """Cells with equal programs in a row, else in their order."""
    first: dict[str, int] = {}
    for cell in cells:
        first.setdefault(_program_key(cell.config), len(first))
    return sorted(cells, key=lambda cell: first[_program_key(cell.config)])


def _ended(cell) -> bool:
    names = ("results.json", _DIVERGED)
    return any((cell.workdir / name).exists() for name in names)


def _write(grid, folder: pathlib.Path) -> None:
    """The table of what there is so far, by the first process."""
    import jax

    from ipixmatch_jax.evaluate import results_table
    from ipixmatch_jax.sweep import table

    if jax.process_index() != 0:
        return
    rows = [table.Row(values, {}, []) for values in grid.rows]
    for cell in grid.cells:
        row, name = rows[cell.row], cell.workdir.relative_to(folder)
        if (cell.workdir / "results.json").exists():
            row.results[cell.config.seed] = results_table.read(cell.workdir)
        elif _ended(cell):
            text = (cell.workdir / _DIVERGED).read_text(encoding="utf-8")
            row.notes.append(f"{name} diverged: {json.loads(text)['sentence']}")
        else:
            row.notes.append(f"{name} has not finished.")
    table.write(folder, grid.fields, rows)


def main(argv: list[str]) -> None:
    """Runs the sweep; exits with 143 or 130 after a save on a signal."""
    if len(argv) > 1:
        raise app.UsageError(f"Not understood: {' '.join(argv[1:])}")
    from ipixmatch_jax.sweep import grid

    folder = pathlib.Path(flags.FLAGS.workdir)
    command.quieten()
    try:
        cells = grid.make(
            flags.FLAGS.config, _GRID.value, _BASELINE.value, folder
        )
        code = run(cells, folder)
    except (ValueError, OSError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    print((folder / "sweep.md").read_text(encoding="utf-8"), end="")
    if code:
        print("Stopped on a signal; the same command continues.")
    sys.exit(code)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(
        main,
        flags_parser=functools.partial(
            command.parse,
            module="ipixmatch_jax.sweep",
            shown=("config", "workdir", "grid", "baseline"),
            required=("config", "workdir"),
        ),
    )
