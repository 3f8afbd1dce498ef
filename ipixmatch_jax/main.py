"""Trains from a config file:

python -m ipixmatch_jax.main --config configs/voc.py:r101_1_8
"""

import pathlib
import sys

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from ipixmatch_jax.cli import config_flag

_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "host:port of process 0, where neither Slurm nor a TPU pod tells.",
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Of the run; 1 looks for no others."
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Of this process, from 0."
)
_HEARTBEAT = flags.DEFINE_integer(
    "heartbeat_seconds",
    60,
    "After this long without a sign of life a process counts as dead, and "
    "the others end.",
    lower_bound=1,
)


def _default_workdir() -> pathlib.Path:
    file, _, argument = config_flags.get_config_filename(
        flags.FLAGS["config"]
    ).partition(":")
    words = [pathlib.Path(file).stem, *argument.replace(",", "_").split("_")]
    return pathlib.Path("runs") / "_".join(filter(None, words))


def main(argv: list[str]) -> None:
    """Runs one training; exits with 143 or 130 after a save on a signal."""
    if len(argv) > 1:
        raise app.UsageError(f"Not understood: {' '.join(argv[1:])}")
    from ipixmatch_jax.data.workers import WorkersLostError
    from ipixmatch_jax.distributed import processes
    from ipixmatch_jax.training import loop
    from ipixmatch_jax.training.divergence import DivergenceError

    workdir = pathlib.Path(config_flag.WORKDIR.value or _default_workdir())
    config_flag.quieten()
    try:
        processes.initialise(
            _COORDINATOR.value,
            _NUM_PROCESSES.value,
            _PROCESS_ID.value,
            heartbeat_seconds=_HEARTBEAT.value,
        )
        code = loop.train(config_flag.CONFIG.value, workdir)
    except (
        ValueError,
        OSError,
        WorkersLostError,
        DivergenceError,
        processes.ProcessLostError,
    ) as error:
        # A sentence for the person; --verbosity=1 gives the traceback too.
        absl_logging.debug("stopped", exc_info=True)
        sys.exit(f"ipixmatch_jax: {error}")
    sys.exit(code)


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, flags_parser=config_flag.parse)
