"""The --config flag: parsing, help, and what is wrong in one sentence."""

import logging
import sys

from absl import flags
from absl import logging as absl_logging
from ml_collections import config_flags

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.configuration import files

# Data workers import this file again: everything heavy waits for main().
CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "File with get_config, then a colon and its argument; where there is no "
    "such file, one that comes with the package, such as voc.py.",
)
WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder for checkpoints, metrics and pictures; a run found there is "
    "resumed. By default runs/<config>_<argument>.",
)


_EPILOG = (
    "Every field of the config is a flag too, as in --config.seed=1 or "
    "--config.train.steps=1000; python -m ipixmatch_jax.config_reference, or "
    "ipixmatch fields, lists them."
)


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
        CONFIG.value.to_dict()
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
