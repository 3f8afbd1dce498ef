"""Measures seconds, FLOPs and memory of one train step of a config:

python -m benchmarks.step --config configs/voc.py:r101_1_8 --json step.json

The images are noise, so no data set is needed; --nosynthetic takes one batch
of the config's own data set. The batch is on the device before the clock
starts: benchmarks/input_pipeline.py measures the input pipeline.
"""

import json
import logging
import pathlib
import sys
import time

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from benchmarks.noise import first_batch, noise_data
from ipixmatch_jax.cli.compiler_flags import set_compiler_flags
from ipixmatch_jax.cli.freed_memory import keep_freed_memory
from ipixmatch_jax.cli.garbage import collect_garbage_seldom
from ipixmatch_jax.data import registry
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import resolve_config
from ipixmatch_jax.training import setup

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "File with get_config, optionally with :ARGUMENT."
)
STEPS = flags.DEFINE_integer("steps", 20, "Steps to time.", lower_bound=1)
_SYNTHETIC = flags.DEFINE_bool(
    "synthetic", True, "Use noise instead of the data set."
)
_PEAK = flags.DEFINE_float(
    "peak_tflops", None, "Dense peak of one device in TFLOP/s."
)
_KEEP = flags.DEFINE_bool(
    "keep_programs",
    False,
    "Keep the compiled program in the folder JAX_COMPILATION_CACHE_DIR and "
    "take it from there; compile_seconds may then be the time to read it.",
)
JSON = flags.DEFINE_string("json", None, "File to write the numbers to.")

# Published dense peaks of one device in TFLOP/s, (bf16, f32), by jax's exact
# device_kind, since similar names (H100 NVL, a MIG slice) have other peaks.
# Source: the data sheets of NVIDIA's A100, H100 and H200 Tensor Core GPUs
# (halved where the sheet counts sparsity) and Google Cloud's pages on the TPU
# system architecture. The f32 peak is that of jax.lax.Precision.DEFAULT:
# TensorFloat-32 on these GPUs, one bfloat16 pass on TPUs.
PEAKS = {
    "NVIDIA A100-PCIE-40GB": (312, 156),
    "NVIDIA A100-SXM4-40GB": (312, 156),
    "NVIDIA A100-SXM4-80GB": (312, 156),
    "NVIDIA A100 80GB PCIe": (312, 156),
    "NVIDIA H100 PCIe": (756, 378),
    "NVIDIA H100 80GB HBM3": (989.5, 494.5),  # SXM
    "NVIDIA H200": (989.5, 494.5),  # SXM
    "TPU v4": (275, 275),
    "TPU v5 lite": (197, 197),  # v5e
    "TPU v5": (459, 459),  # v5p
    "TPU v5p": (459, 459),
}
WARM_UP = 2  # steps before the clock starts


def peak_flops(kind: str, precision: str) -> float | None:
    """Peak FLOP/s of one device from the flag or the table, or None."""
    if _PEAK.value is not None:
        return _PEAK.value * 1e12
    if kind not in PEAKS:
        return None
    bf16, f32 = PEAKS[kind]
    return (bf16 if precision == "bf16" else f32) * 1e12


def measure(config: ConfigDict, steps: int) -> dict:
    """Compiles and times the train step of a config.

    Returns:
      one number per line of the printed table, with its unit in its name; None
      where the backend does not report it.
    """
    if _SYNTHETIC.value:
        data = noise_data(config)
    else:
        data = open_data(config)
        config = resolve_config(config, data)
    devices = mesh.make_mesh(config.mesh.data, config.mesh.fsdp)
    built = setup.build(config, data, devices)
    batch, images = first_batch(config, built)
    state = built.init(config.seed)
    start = time.perf_counter()
    lowered = built.train_step.lower(state, batch)
    trace_seconds = time.perf_counter() - start
    compiled = lowered.compile()
    compile_seconds = time.perf_counter() - start - trace_seconds
    for _ in range(WARM_UP):
        state, _ = compiled(state, batch)
    jax.block_until_ready(state)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        state, _ = compiled(state, batch)
    jax.block_until_ready(state)
    seconds = (time.perf_counter() - start) / steps
    cpu = (time.process_time() - cpu) / steps
    return {
        "devices": built.mesh.size,
        "trace_seconds": trace_seconds,
        "compile_seconds": compile_seconds,
        "seconds_per_step": seconds,
        "host_cpu_seconds_per_step": cpu,
        "images_per_second": images / seconds,
        **_flops(
            count_flops(config, data) / built.mesh.size,
            _count(compiled),
            seconds,
            config.precision,
        ),
        **_memory(compiled),
    }


def count_flops(config: ConfigDict, data: registry.DataSet) -> float:
    """FLOPs of one step over all devices, before compilation.

    They are those of the program for TPUs, whatever the device: a program for
    a GPU is not counted before it is compiled, and has the kernels of a
    vendor's library, whose FLOPs are unknown; one for a CPU has attention in
    loops, which count once.
    """
    cpu = jax.local_devices(backend="cpu")[:1]
    built = setup.build(config, data, mesh.make_mesh(1, 1, cpu), "tpu")
    batch, _ = first_batch(config, built)
    traced = built.train_step.trace(built.like, batch)
    return _count(traced.lower(lowering_platforms=("tpu",)))


def _flops(before, after, seconds, precision) -> dict:
    """Both FLOP counts of one device, and the share of the peak.

    The share uses the larger count: a compiled program counts 0 for the kernels
    of a vendor's library (jax-ml/jax#16008).
    """
    peak = peak_flops(jax.devices()[0].device_kind, precision)
    rate = max(before, after) / seconds
    return {
        "gflops_compiled": after / 1e9 or None,
        "gflops_before_compilation": before / 1e9 or None,
        "tflops_per_second": rate / 1e12 or None,
        "peak_tflops_per_second": peak and peak / 1e12,
        "share_of_peak": (rate / peak if peak else 0) or None,
    }


def _count(program) -> float:
    """FLOPs by XLA's cost analysis, or 0 if it reports none."""
    return max((program.cost_analysis() or {}).get("flops", 0.0), 0.0)


def _memory(compiled) -> dict:
    """Bytes on one device, as planned by the compiler and as used."""
    planned = compiled.memory_analysis()
    device = jax.local_devices()[0].memory_stats() or {}
    return {
        "temporary_bytes": getattr(planned, "temp_size_in_bytes", None),
        "argument_bytes": getattr(planned, "argument_size_in_bytes", None),
        "device_peak_bytes": device.get("peak_bytes_in_use"),
        "device_limit_bytes": device.get("bytes_limit"),
    }


def _described(config: ConfigDict) -> dict:
    return {
        "config": config_flags.get_config_filename(flags.FLAGS["config"]),
        "method": config.method,
        "backbone": config.model.backbone,
        "crop_size": config.data.crop_size,
        "batch_size": config.train.batch_size,
        "precision": config.precision,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }


def _shown(value) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: list[str]) -> None:
    """Measures the step, prints the numbers and writes the JSON file."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    set_compiler_flags()  # As training does.
    keep_freed_memory()
    collect_garbage_seldom()
    # A program read from the cache would not be compiled.
    jax.config.update("jax_enable_compilation_cache", _KEEP.value)
    absl_logging.set_verbosity(absl_logging.WARNING)
    # Silences the warning about random weights, which are intended here.
    logging.getLogger("ipixmatch_jax").setLevel(logging.ERROR)
    config = CONFIG.value
    try:
        validate.check_config(config)
        row = _described(config) | measure(config, STEPS.value)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.step: {error}")
    for name, value in row.items():
        print(f"{name:26} {_shown(value):>12}")
    if JSON.value:
        text = json.dumps(row, indent=1) + "\n"
        pathlib.Path(JSON.value).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main)
