"""Prints one table of finished runs; the seeds of one row are averaged:

python -m ipixmatch_jax.compare host=DIR IPixMatch=DIR,DIR,DIR
"""

import pathlib

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.evaluate.results_table import (
    FILE,
    format_table,
    read_results,
)
from ipixmatch_jax.experiment.run_config import load_run_config

_ONE_SEED = (
    "A row of one run depends on its seed: runs that differ in the seed alone "
    "can lie several points of mIoU apart. A smaller difference between rows "
    "does not show that one method is better; ipixmatch_jax.sweep compares "
    "methods over several seeds."
)


@report_errors("ipixmatch_jax.compare")
def main() -> None:
    """Prints the table, then where each run's files are."""
    parser = arguments.parser(
        "ipixmatch_jax.compare",
        description="Puts finished runs into one table; the seeds of one row "
        "are averaged.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="NAME=WORKDIR[,WORKDIR...]",
        help="a row: its name and the workdirs of its seeds",
    )
    rows = {}
    for run in parser.parse_args().runs:
        name, _, folders = run.rpartition("=")
        seeds = [_read_run(pathlib.Path(f)) for f in folders.split(",")]
        rows[name or folders] = seeds
    print(format_table(rows))
    if len(rows) > 1 and any(len(seeds) == 1 for seeds in rows.values()):
        print(f"\n{_ONE_SEED}")
    for name, seeds in rows.items():
        for result in seeds:
            print(f"\n{name}")
            for what, path in result["files"].items():
                print(f"  {what}: {path}")


def _read_run(workdir: pathlib.Path) -> dict:
    """The results of a run; says so where the folder holds no run."""
    if not (workdir / FILE).exists():
        load_run_config(workdir)
    return read_results(workdir)


if __name__ == "__main__":
    main()
