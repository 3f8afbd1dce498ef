"""Joins the processes of one run, before jax touches a device."""

import contextlib
import glob
import importlib.util
import ipaddress
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypedDict

import jax
import numpy as np
from jax.experimental import multihost_utils

from ipixmatch_jax.utils.errors import RunError

_LOGGER = logging.getLogger(__name__)

# Seconds that a process waits for the others to start: the hosts of a pod, or
# the nodes of a job, do not come up together.
_START_TIMEOUT = 300
# Seconds that a process waits at its end for the others to end.
_END_TIMEOUT = 60


class ProcessLostError(RunError):
    """Another process of the run does not answer."""


class Place(NamedTuple):
    """The place of one process among those of a run.

    Attributes:
      coordinator: host:port where process 0 listens.
      num_processes: how many the run has, over all hosts.
      process_id: the number of this process, 0 to num_processes - 1.
    """

    coordinator: str
    num_processes: int
    process_id: int


class _Timeouts(TypedDict):
    """Seconds, by the names that jax.distributed.initialize has for them."""

    initialization_timeout: int
    heartbeat_timeout_seconds: int
    shutdown_timeout_seconds: int


def from_flags(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> Place:
    """The place that three flags give.

    Raises:
      ValueError: one is missing, or they do not fit each other.
    """
    given = (coordinator, num_processes, process_id)
    if coordinator is None or num_processes is None or process_id is None:
        raise ValueError(
            "--coordinator, --num_processes and --process_id belong together: "
            f"they are {', '.join(map(str, given))}; give all three, or none "
            "under Slurm and on a TPU pod, or --num_processes=1 alone for one "
            "process."
        )
    if not re.fullmatch(r".+:\d+", coordinator):
        raise ValueError(
            f"--coordinator={coordinator} is not host:port, such as "
            "node001:8476."
        )
    if num_processes < 1:
        raise ValueError(f"--num_processes={num_processes} is less than one.")
    if not 0 <= process_id < num_processes:
        raise ValueError(
            f"--process_id={process_id} is not one of the {num_processes} "
            f"processes, 0 to {num_processes - 1}."
        )
    return Place(coordinator, num_processes, process_id)


def from_slurm(environment: Mapping[str, str]) -> Place | None:
    """The place that `srun` gives; None outside a step of several tasks.

    Process 0 listens on the first node of the step, on a port made from the
    number of the job, so that two jobs on one node do not collide. (jax's own
    reading of these variables gives each process one GPU; here a process
    takes all that its task sees.)

    Args:
      environment: of the process. Only srun sets SLURM_STEP_*: a plain
        command inside an allocation is one process.
    """
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) == 1:
        return None
    host = _first_host(environment["SLURM_STEP_NODELIST"])
    port = 61440 + int(environment["SLURM_JOB_ID"]) % 4096
    return Place(
        f"{host}:{port}",
        int(environment["SLURM_STEP_NUM_TASKS"]),
        int(environment["SLURM_PROCID"]),
    )


def _first_host(nodes: str) -> str:
    """The first of `a`, `a,b`, `n[01-03,07],c` or `rack[1-2]n`."""
    found = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,\[]*))?", nodes)
    if found is None:
        raise ValueError(f"SLURM_STEP_NODELIST={nodes} names no host.")
    start, number, rest = found.groups(default="")
    return start + number + rest


def on_tpu(environment: Mapping[str, str]) -> bool:
    """Whether this host has TPUs, and jax may and can use them."""
    if "tpu" not in (environment.get("JAX_PLATFORMS") or "tpu"):
        return False
    devices = glob.glob("/dev/accel[0-9]*") + glob.glob("/dev/vfio/[0-9]*")
    return bool(devices) and importlib.util.find_spec("libtpu") is not None


def initialise(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    heartbeat_seconds: int = 60,
    bind: str | None = None,
) -> None:
    """Joins the other processes of the run, if there are any.

    The three flags come first, then Slurm's variables, then on a TPU what jax
    reads from the metadata of the host; with none of them the process is
    alone. Must be called before anything asks jax for its devices.

    Process 0 listens for the others. Where the coordinator is a loopback
    address it listens on that alone, otherwise on every interface, as jax
    does.

    Args:
      coordinator: host:port of process 0.
      num_processes: how many the run has; 1 looks for no others.
      process_id: the number of this process.
      heartbeat_seconds: without a sign of life for so long, a process counts
        as dead and the others end.
      bind: host:port on which process 0 listens; None: as above.

    Raises:
      ValueError: see `from_flags`; or jax does not find the hosts of a TPU.
    """
    if num_processes == 1:
        return
    given = (coordinator, num_processes, process_id)
    place = from_slurm(os.environ)
    if given != (None, None, None):
        place = from_flags(*given)
    if place is None and not on_tpu(os.environ):
        return
    timeouts: _Timeouts = {
        "initialization_timeout": _START_TIMEOUT,
        "heartbeat_timeout_seconds": heartbeat_seconds,
        "shutdown_timeout_seconds": _END_TIMEOUT,
    }
    if place is None:
        _initialise_tpu(timeouts)
    else:
        jax.distributed.initialize(
            *place,
            cluster_detection_method="deactivate",
            coordinator_bind_address=bind or loopback_bind(place.coordinator),
            **timeouts,
        )
    _LOGGER.info("Process %d of %d", jax.process_index(), jax.process_count())


def loopback_bind(coordinator: str) -> str | None:
    """The address to listen on for a loopback coordinator; None: any other.

    Args:
      coordinator: host:port, such as "127.0.0.1:8476" or "[::1]:8476".
    """
    host, _, port = coordinator.rpartition(":")
    bare = host.strip("[]")
    if bare == "localhost":
        return f"127.0.0.1:{port}"
    try:
        loopback = ipaddress.ip_address(bare).is_loopback
    except ValueError:  # the name of another host
        return None
    return f"{host}:{port}" if loopback else None


def _initialise_tpu(timeouts: _Timeouts) -> None:
    try:
        jax.distributed.initialize(**timeouts)
    except ValueError as error:
        raise ValueError(
            f"jax found a TPU but not its hosts ({error}); for one host give "
            "--num_processes=1, for several --coordinator, --num_processes "
            "and --process_id."
        ) from error


@contextlib.contextmanager
def report_lost_process() -> Iterator[None]:
    """Says at once, in one sentence, that another process is gone.

    Only processes that talk through gloo get an error then. Those with several
    devices do not always get one: a device may wait for another device of the
    same process that has failed. In all other cases, and where the rest of a
    `with` waits for the lost process, jax ends this process with a message of
    its own after the time of a heartbeat.

    Raises:
      ProcessLostError: in place of gloo's error.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # gloo raises a ValueError where the call failed and not its result.
        if "Gloo " not in str(error):
            raise
        count, this = jax.process_count(), jax.process_index()
        other = f"process {1 - this}" if count == 2 else "another process"
        lost = ProcessLostError(
            f"process {this} of {count} cannot reach {other}: it was killed, "
            "lost its host or network, or kept this one waiting for 30 s "
            f"({str(error).splitlines()[0]}). Start all of them again: the "
            "same command continues from the last save."
        )
        # jax may end this process before the command can say it.
        _LOGGER.error("%s", lost)
        raise lost from error


def compile_together(function: jax.stages.Wrapped) -> Callable:
    """Makes all processes compile a jitted function before one runs it.

    One process may compile minutes longer than another, and gloo allows the
    first exchange of a program 30 s. All processes must call the function
    with arrays of the same shapes. A single process gets the function itself.
    """
    if jax.process_count() == 1:
        return function
    known = set()

    def call(*args):
        shapes = str(jax.tree.map(lambda x: (np.shape(x), x.dtype), args))
        if shapes not in known:
            function.lower(*args).compile()
            # A barrier for all processes that has no time limit.
            with multihost_utils.live_devices(jax.devices()):
                known.add(shapes)
        return function(*args)

    return call


def ask_first(yes: bool) -> bool:
    """The answer of process 0, on every process; all of them must call it."""
    if jax.process_count() == 1:
        return yes
    return bool(multihost_utils.broadcast_one_to_all(np.int32(yes)))
