"""Trains from a config file:

python -m ipixmatch_jax.main --config configs/voc.py:r101_1_8
"""

import logging
import pathlib
import sys

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.configuration import files

# Data workers import this file again: everything heavy waits for main().
_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "File with get_config, then a colon and its argument; where there is no "
    "such file, one that comes with the package, such as voc.py.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder for checkpoints, metrics and pictures; a run found there is "
    "resumed. By default runs/<config>_<argument>.",
)
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


_EPILOG = (
    "Every field of the config is a flag too, as in --config.seed=1 or "
    "--config.train.steps=1000; python -m ipixmatch_jax.config_reference, or "
    "ipixmatch fields, lists them."
)


def _default_workdir() -> pathlib.Path:
    file, _, argument = config_flags.get_config_filename(
        flags.FLAGS["config"]
    ).partition(":")
    words = [pathlib.Path(file).stem, *argument.replace(",", "_").split("_")]
    return pathlib.Path("runs") / "_".join(filter(None, words))


def parse(
    argv: list[str],
    module: str = "ipixmatch_jax.main",
    shown: tuple[str, ...] = (
        "config",
        "workdir",
        "coordinator",
        "num_processes",
        "process_id",
        "heartbeat_seconds",
    ),
    required: tuple[str, ...] = ("config",),
) -> list[str]:
    """Parses the flags; what is wrong with them is one sentence.

    Args:
      argv: the command line.
      module: the command's, for its help.
      shown: the flags that the help lists.
      required: those of them that must be given.
    """
    if {"-h", "-help", "--help"} & set(argv[1:]):
        rows = [flags.FLAGS[name] for name in shown]
        arguments.print_flags(module, rows, required, _EPILOG)
        sys.exit()
    try:
        left = flags.FLAGS(files.in_arguments(argv))
        # The file is read when its value is first looked at.
        _CONFIG.value.to_dict()
    except (flags.Error, OSError, AttributeError) as error:
        # The libraries put the file's own words last, and quote newlines.
        lines = str(error).replace("\\n", "\n").strip(" \n'").splitlines()
        words = lines[-1].strip().removeprefix("ValueError: ")
        kind = "no such field: " if isinstance(error, AttributeError) else ""
        sys.exit(f"ipixmatch_jax: {kind}{words}")
    return left


def quieten() -> None:
    """Lets our own lines through, and of the libraries' the warnings."""
    if flags.FLAGS.verbosity == absl_logging.INFO:  # app.run's default
        absl_logging.set_verbosity(absl_logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("ipixmatch_jax")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def main(argv: list[str]) -> None:
    """Runs one training; exits with 143 or 130 after a save on a signal."""
    if len(argv) > 1:
        raise app.UsageError(f"Not understood: {' '.join(argv[1:])}")
    from ipixmatch_jax.data.workers import WorkersLostError
    from ipixmatch_jax.distributed import processes
    from ipixmatch_jax.training import loop
    from ipixmatch_jax.training.divergence import DivergenceError

    workdir = pathlib.Path(_WORKDIR.value or _default_workdir())
    quieten()
    try:
        processes.initialise(
            _COORDINATOR.value,
            _NUM_PROCESSES.value,
            _PROCESS_ID.value,
            heartbeat_seconds=_HEARTBEAT.value,
        )
        code = loop.train(_CONFIG.value, workdir)
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
    app.run(main, flags_parser=parse)
