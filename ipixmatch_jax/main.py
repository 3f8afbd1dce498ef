"""Trains from a config file:

python -m ipixmatch_jax.main --config configs/voc.py:r101_1_8
"""

import functools
import pathlib

from absl import app, flags

from ipixmatch_jax.cli import arguments, config_flag
from ipixmatch_jax.cli.prepare_jax import prepare_jax
from ipixmatch_jax.cli.report_errors import report_errors

_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "host:port of process 0, where neither Slurm nor a TPU pod says it.",
)
_BIND = flags.DEFINE_string(
    "coordinator_bind",
    None,
    "host:port on which process 0 listens; by default the coordinator's "
    "where that is a loopback address, else every interface.",
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes",
    None,
    "How many processes the run has; 1 looks for no others.",
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "The number of this process, from 0."
)
_HEARTBEAT = flags.DEFINE_integer(
    "heartbeat_seconds",
    60,
    "Seconds without a sign of life after which a process counts as dead and "
    "the others end.",
    lower_bound=1,
)

_CONTINUE_FROM = flags.DEFINE_string(
    "continue-from",
    None,
    "RUN[:best|last]: the --workdir of another run; a new run starts with the "
    "weights of that checkpoint (default: best). Without --config it takes "
    "that run's config, and needs --workdir.",
)


def _default_workdir() -> pathlib.Path:
    file, _, argument = str(config_flag.CONFIG.value).partition(":")
    words = [pathlib.Path(file).stem, *argument.replace(",", "_").split("_")]
    return pathlib.Path("runs") / "_".join(filter(None, words))


def main(argv: list[str]) -> None:
    """Runs one training; exits with 128 + N where signal N stopped it."""
    if len(argv) > 1:
        words = f"not understood: {' '.join(argv[1:])}"
        arguments.end_with("ipixmatch_jax.main", words, 2)
    prepare_jax(config_flag.CACHE.value)
    from ipixmatch_jax import api
    from ipixmatch_jax.distributed import processes
    from ipixmatch_jax.distributed.hear_signals import exit_stopped
    from ipixmatch_jax.experiment import continue_from

    workdir = pathlib.Path(config_flag.WORKDIR.value or _default_workdir())
    config_flag.configure_logging()
    processes.initialise(
        _COORDINATOR.value,
        _NUM_PROCESSES.value,
        _PROCESS_ID.value,
        heartbeat_seconds=_HEARTBEAT.value,
        bind=_BIND.value,
    )
    source, of_run = _CONTINUE_FROM.value, None
    if config_flag.CONFIG.value is None and source is not None:
        of_run = continue_from.read_config(source, workdir)
    config = config_flag.read_config(of_run)
    run = api.train(config, workdir, continue_from=source)
    exit_stopped(run.exit_code)


@report_errors("ipixmatch_jax.main")
def run() -> None:
    """Parses the command line and trains."""
    parse = functools.partial(config_flag.parse, instead="continue-from")
    app.run(main, flags_parser=parse)


if __name__ == "__main__":
    run()
