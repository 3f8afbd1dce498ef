"""Trains a grid of configs and writes one table:

python -m ipixmatch_jax.sweep --config CONFIG --grid inter_pixel.weight=0,0.1 \
  --grid seed=0,1,2 --workdir DIR
"""

import functools
import pathlib

from absl import app, flags

from ipixmatch_jax.cli import arguments, config_flag
from ipixmatch_jax.cli.prepare_jax import prepare_jax
from ipixmatch_jax.cli.report_errors import report_errors

# Data workers import this file again, so main() imports what is slow.
_GRID = flags.DEFINE_multi_string(
    "grid",
    [],
    "An axis: FIELD=VALUE,VALUE, or FIELD+FIELD=VALUE+VALUE,VALUE+VALUE for "
    "fields that change together. Give the flag once per axis. Results are "
    "averaged over the axis `seed`; the other axes make the rows.",
)
_BASELINE = flags.DEFINE_string(
    "baseline", None, "FIELD=VALUE of an additional first row."
)
_PRUNE = flags.DEFINE_float(
    "prune",
    None,
    "Give a row no further seeds once its mean mIoU on val, after the last "
    "step, is this many points or more behind the first row, over the seeds "
    "that both have so far. By default every row gets every seed.",
    lower_bound=0.0,
)
_PRUNE_AFTER = flags.DEFINE_integer(
    "prune_after",
    2,
    "How many seeds both rows must have before --prune gives one up.",
    lower_bound=1,
)


def main(argv: list[str]) -> None:
    """Runs the sweep; exits with 143 or 130 after a save on a signal."""
    if len(argv) > 1:
        words = f"not understood: {' '.join(argv[1:])}"
        arguments.end_with("ipixmatch_jax.sweep", words, 2)
    prepare_jax(config_flag.CACHE.value)
    from ipixmatch_jax.distributed.hear_signals import exit_stopped
    from ipixmatch_jax.sweep import grid, pruning, runner

    folder = pathlib.Path(flags.FLAGS.workdir)
    config_flag.configure_logging()
    config = config_flag.read_config()
    cells = grid.make_grid(config, _GRID.value, _BASELINE.value, folder)
    rule = None
    if _PRUNE.value is not None:
        rule = pruning.Pruning(_PRUNE.value, _PRUNE_AFTER.value)
        pruning.check_pruning(rule, cells)
    code = runner.run_sweep(cells, folder, rule)
    print((folder / "sweep.md").read_text(encoding="utf-8"), end="")
    if code:
        print("Stopped on a signal; repeat the command to continue.")
    exit_stopped(code)


@report_errors("ipixmatch_jax.sweep")
def run() -> None:
    """Parses the command line and runs the sweep."""
    app.run(
        main,
        flags_parser=functools.partial(
            config_flag.parse,
            module="ipixmatch_jax.sweep",
            shown=(
                "config",
                "workdir",
                "grid",
                "baseline",
                "prune",
                "prune_after",
                "compilation_cache",
                "plugin",
                "debug",
            ),
            required=("config", "workdir"),
        ),
    )


if __name__ == "__main__":
    run()
