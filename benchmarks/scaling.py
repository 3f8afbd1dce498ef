"""Counts what a train step computes and sends as devices are added:

python -m benchmarks.scaling --config configs/shapes.py --json scaling.json

Weak scaling keeps the number of images per device, strong scaling the number
in all. For each number of virtual CPU devices a process of its own compiles
the step and reads FLOPs, memory and collectives from the compiled program. The
counts hold for real devices as far as their compilers do the same. The seconds
(--repeats) say nothing about real devices, since virtual ones share the cores.
With --topology the programs are compiled for TPUs; this needs libtpu but no
TPU, and adds what benchmarks/main_memory.py counts. --config and --json are
those of benchmarks/step.py.
"""

import collections
import json
import logging
import os
import pathlib
import subprocess
import sys
import time

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from benchmarks import noise, step, topology
from benchmarks.collectives import operations
from benchmarks.main_memory import main_memory_bytes
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.training import batch_size as batch_fit
from ipixmatch_jax.training import device_memory, setup

_DEVICES = flags.DEFINE_list(
    "devices", ["1", "2", "4", "8"], "Numbers of devices."
)
_AXIS = flags.DEFINE_enum(
    "axis", "data", ["data", "fsdp"], "Axis of the mesh for the devices."
)
_WEAK = flags.DEFINE_integer(
    "per_device",
    2,
    "Labelled images per device for weak scaling; 0 leaves it out.",
)
_STRONG = flags.DEFINE_integer(
    "total",
    16,
    "Labelled images in all for strong scaling; 0 leaves it out.",
)
_REPEATS = flags.DEFINE_integer(
    "repeats",
    0,
    "Steps to time on noise; the fastest counts. 0 times none.",
)
_TOPOLOGY = flags.DEFINE_string(
    "topology", None, "Compile for this TPU slice, such as v5e:2x4."
)
# The command starts itself with this flag, once per number of devices.
_ONE = flags.DEFINE_string(
    "one", None, "DEVICES,IMAGES: measure one row only and print it as JSON."
)

SMALL = 2**16  # Below so many bytes a collective is limited by latency.


def cells() -> list[tuple[str, int, int]]:
    """Lists (kind of scaling, devices, labelled images) for every row."""
    counts = sorted({int(count) for count in _DEVICES.value})
    if _TOPOLOGY.value:
        # Programs are compiled for a whole slice only.
        counts = [len(topology.devices(_TOPOLOGY.value))]
    weak = [("weak", n, n * _WEAK.value) for n in counts if _WEAK.value]
    strong = [("strong", n, _STRONG.value) for n in counts if _STRONG.value]
    return weak + strong


def ring_bytes(kind: str, size: int, devices: int) -> float:
    """Bytes that each device of a ring sends in a collective.

    Args:
      kind: XLA's name of the collective.
      size: bytes of the array, see `collectives.Collective.bytes`.
      devices: number of devices in the ring.
    """
    if kind in ("collective-permute", "collective-broadcast"):
        return size
    share = (devices - 1) / devices
    return size * share * (2 if kind == "all-reduce" else 1)


def moved(text: str, devices: int) -> dict:
    """Counts the collectives of a compiled program.

    Args:
      text: text of the program.
      devices: size of the only axis of its mesh; every collective spans it.

    Returns:
      "arrays" and "payload_bytes" by kind; "operations", each of which may
      have several arrays; "small_arrays", those below SMALL bytes;
      "sent_bytes", what one device sends if every collective uses a ring.
    """
    found = operations(text)
    arrays = [one for operation in found for one in operation]
    payload = collections.Counter()
    for one in arrays:
        payload[one.kind] += one.bytes
    return {
        "operations": len(found),
        "arrays": dict(collections.Counter(one.kind for one in arrays)),
        "payload_bytes": dict(payload),
        "small_arrays": sum(one.bytes < SMALL for one in arrays),
        "sent_bytes": sum(
            ring_bytes(one.kind, one.bytes, devices) for one in arrays
        ),
    }


def measure(config: ConfigDict, devices: int, batch_size: int) -> dict:
    """Measures one row where jax has this many devices.

    Bytes and FLOPs are per device.
    """
    config.train.batch_size = batch_size
    config.mesh.data, config.mesh.fsdp = 1, 1
    config.mesh[_AXIS.value] = devices
    validate.check_config(config)
    slice_ = topology.devices(_TOPOLOGY.value) if _TOPOLOGY.value else None
    mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp, slice_)
    built = setup.build(config, noise.noise_data(config), mesh)
    compiled = batch_fit.compiled_step(config, built)
    cost, text = compiled.cost_analysis() or {}, compiled.as_text()
    row = {
        "devices": devices,
        "batch_size": batch_size,
        "flops": cost.get("flops"),
        "planned_bytes": device_memory.planned_memory(compiled),
        "accessed_bytes": cost.get("bytes accessed"),
        # Only a TPU's layouts tell main memory from the chip's own.
        "main_memory_bytes": main_memory_bytes(text) if slice_ else None,
        **moved(text, devices),
    }
    if _REPEATS.value:
        row["seconds"] = _seconds(config, built, compiled)
    return row


def _seconds(config: ConfigDict, built, compiled) -> float:
    """Seconds of the fastest step, after one warm-up step."""
    batch, _ = noise.first_batch(config, built)
    state = built.init(config.seed)
    times = []
    for _ in range(1 + _REPEATS.value):
        start = time.perf_counter()
        state, _ = jax.block_until_ready(compiled(state, batch))
        times.append(time.perf_counter() - start)
    return min(times[1:])


def measure_in_own_process(devices: int, batch_size: int) -> dict:
    """Runs `measure` in a process with this many virtual CPU devices."""
    flag = f"--xla_force_host_platform_device_count={devices}"
    environment = {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flag}",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.scaling"),
            *sys.argv[1:],
            f"--one={devices},{batch_size}",
        ],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def _measure_here(devices: int, batch_size: int) -> dict:
    return measure(step.CONFIG.value, devices, batch_size)


def table(rows: list[dict]) -> str:
    """Markdown table; bytes and FLOPs are per device and step."""
    lines = [
        "| scaling | devices | images | GFLOPs | planned MB | accessed MB | "
        "main memory MB | operations | arrays | small arrays | sent MB | "
        "seconds |",
        "|" + "---|" * 12,
    ]
    for row in rows:
        arrays = ", ".join(f"{n} {kind}" for kind, n in row["arrays"].items())
        seconds = row.get("seconds")
        lines.append(
            f"| {row['scaling']} | {row['devices']} | {row['batch_size']} | "
            f"{row['flops'] / 1e9:.4g} | {row['planned_bytes'] / 1e6:.4g} | "
            f"{_megabytes(row['accessed_bytes'])} | "
            f"{_megabytes(row['main_memory_bytes'])} | "
            f"{row['operations']} | {arrays or 'none'} | "
            f"{row['small_arrays']} | "
            f"{row['sent_bytes'] / 1e6:.4g} | "
            f"{'-' if seconds is None else f'{seconds:.3g}'} |"
        )
    return "\n".join(lines)


def _megabytes(count: float | None) -> str:
    return "-" if count is None else f"{count / 1e6:.4g}"


def _measure_all() -> None:
    """Measures every row and writes the table and the JSON file.

    A program that weak and strong scaling share is measured once.
    """
    known, rows = {}, []
    for kind, devices, batch_size in cells():
        key = devices, batch_size
        if key not in known:
            # Only one process may load libtpu, and this one has.
            run = _measure_here if _TOPOLOGY.value else measure_in_own_process
            known[key] = run(*key)
            print(f"{devices} devices, {batch_size} images", file=sys.stderr)
        rows.append({"scaling": kind} | known[key])
    result = {
        "config": config_flags.get_config_filename(flags.FLAGS["config"]),
        "axis": _AXIS.value,
        "topology": _TOPOLOGY.value or "virtual CPU devices",
        "precision": step.CONFIG.value.precision,
        "jax": jax.__version__,
        "rows": rows,
    }
    print(
        f"{result['config']}, {_AXIS.value}, {result['topology']}, "
        f"jax {jax.__version__}\n"
    )
    print(table(rows))
    if step.JSON.value:
        text = json.dumps(result, indent=1) + "\n"
        pathlib.Path(step.JSON.value).write_text(text, encoding="utf-8")


def main(argv: list[str]) -> None:
    """Measures every row, or with --one a single row."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    if _TOPOLOGY.value and _REPEATS.value:
        raise app.UsageError(
            "--repeats does not go with --topology: its programs are not run."
        )
    # A program read from the cache has no memory analysis.
    jax.config.update("jax_enable_compilation_cache", False)
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("ipixmatch_jax").setLevel(logging.ERROR)
    try:
        if _ONE.value is None:
            _measure_all()
        else:
            devices, batch_size = map(int, _ONE.value.split(","))
            print(json.dumps(_measure_here(devices, batch_size)))
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.scaling: {error}")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main)
