"""Measures time and memory of every inter-pixel reading by image size:

python -m benchmarks.inter_pixel --json inter_pixel.json

Computes the value and the gradient on noise. Two other versions are measured
for comparison: the textbook one, which builds the N x N matrices, and, where
torch is installed, the usual PyTorch one (channel-wise distillation, DIST's
intra-class term, pairwise affinity). For each row the exponent with which the
seconds grow with the number of pixels is fitted. A size that would exceed the
time budget is left out; nothing is extrapolated.

benchmarks/inter_pixel_share.py measures the loss's share of a train step.
"""

import functools
import importlib.util
import json
import pathlib
import sys
import time

import jax
import numpy as np
from absl import app, flags
from absl import logging as absl_logging
from jax.sharding import SingleDeviceSharding

from benchmarks import inter_pixel_naive, topology
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.losses.inter_pixel.registry import READINGS

_READINGS = flags.DEFINE_list(
    "readings",
    ["/".join(pair) for pair in READINGS],
    "Readings to measure, as relation/distance.",
)
_SIDES = flags.DEFINE_list(
    "sides", ["41", "81", "161", "321", "513"], "Image sides in pixels."
)
_BATCH = flags.DEFINE_integer(
    "batch_size", 2, "Images in a batch.", lower_bound=1
)
_CLASSES = flags.DEFINE_integer(
    "classes", 21, "Number of classes.", lower_bound=2
)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Timed runs; the fastest counts.")
_BUDGET = flags.DEFINE_float(
    "budget_s",
    60.0,
    "Skip a size whose run is expected to take longer, in seconds, judging "
    "by the size before.",
)
_NAIVE_BYTES = flags.DEFINE_float(
    "naive_gib", 2.0, "Memory limit of the N x N matrices, in GiB."
)
_BLOCK = flags.DEFINE_integer(
    "block", 512, "Value of config.inter_pixel.block."
)
_TOPOLOGY = flags.DEFINE_string(
    "topology",
    None,
    "Compile for this TPU slice, such as v5e:2x2, without running anything: "
    "only bytes are reported.",
)
_JSON = flags.DEFINE_string("json", None, "File to write the numbers to.")
SETTINGS = {"temperature": 1.0, "threshold": 0.0}
# Below this side the overhead of calls dominates, so it is not fitted.
_LEAST_FITTED = 81
# N x N matrices that a plain version holds at once (an estimate).
_MATRICES = 8


def draw(side: int, batch: int, classes: int) -> tuple:
    """Student logits, teacher logits and valid pixels, drawn as noise."""
    rng = np.random.default_rng(side)
    shape = (batch, side, side, classes)
    q, p = (3 * rng.standard_normal(shape, np.float32) for _ in range(2))
    return q, p, np.ones(shape[:3], bool)


def ours(relation: str, distance: str, block: int):
    """Function (q, p, valid) -> value and gradient, not yet compiled."""

    def loss(q, p, valid):
        return inter_pixel_loss(
            q,
            p,
            valid,
            relation=relation,
            distance=distance,
            block=block,
            **SETTINGS,
        )[0]

    return jax.value_and_grad(loss)


def fastest(run, repeats: int) -> float:
    """Seconds of the fastest run, after one warm-up run.

    With `repeats=1`, which is used for long runs, there is no warm-up.
    """
    if repeats > 1:
        run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def expected_seconds(cells: dict, side: int, quadratic: bool) -> float:
    """Seconds expected at `side`, scaled from the largest size measured."""
    done = [s for s in cells if cells[s].get("seconds")]
    if not done:
        return 0.0
    last = max(done)
    power = 4 if quadratic else 2
    return cells[last]["seconds"] * (side / last) ** power


def exponent(cells: dict) -> float | None:
    """Least-squares slope of log seconds against log pixels."""
    points = [
        (2 * np.log(side), np.log(cell["seconds"]))
        for side, cell in cells.items()
        if cell.get("seconds") and side >= _LEAST_FITTED
    ]
    if len(points) < 2:
        return None
    return float(np.polyfit(*zip(*points, strict=True), 1)[0])


def measure_jax(make, side: int, seconds: float) -> dict:
    """Planned temporary bytes and, within the time budget, seconds.

    With --topology nothing is run. The bytes that all operations read and
    write are given instead of seconds, since the readings are bound by memory.
    For affinity/kl they say nothing: only one iteration of a loop is counted.
    """
    args = draw(side, _BATCH.value, _CLASSES.value)
    if _TOPOLOGY.value:
        device = topology.devices(_TOPOLOGY.value)[0]
        shaped = functools.partial(
            jax.ShapeDtypeStruct, sharding=SingleDeviceSharding(device)
        )
        shapes = [shaped(x.shape, x.dtype) for x in args]
        compiled = jax.jit(make).lower(*shapes).compile()
        return {
            "temporary_bytes": compiled.memory_analysis().temp_size_in_bytes,
            "moved_bytes": compiled.cost_analysis()["bytes accessed"],
        }
    compiled = jax.jit(make).lower(*args).compile()
    cell = {"temporary_bytes": compiled.memory_analysis().temp_size_in_bytes}
    if seconds <= _BUDGET.value:
        args = jax.device_put(args)
        cell["seconds"] = fastest(
            lambda: jax.block_until_ready(compiled(*args)),
            _REPEATS.value if seconds < 2 else 1,
        )
    return cell


def measure_torch(relation, distance, side: int) -> dict:
    """Seconds of the PyTorch version, on a GPU if torch sees one."""
    from benchmarks import inter_pixel_torch

    args = draw(side, _BATCH.value, _CLASSES.value)
    run = inter_pixel_torch.prepared(*args, relation, distance)
    return {"seconds": fastest(run, _REPEATS.value)}


def fits(side: int) -> bool:
    """Whether the N x N matrices of a batch stay below the limit."""
    matrices = _MATRICES * _BATCH.value * side**4 * 4
    return matrices <= _NAIVE_BYTES.value * 2**30


def measure(relation: str, distance: str, sides: list[int]) -> dict:
    """{implementation: {side: {"seconds", "temporary_bytes"}}}."""
    pairs = relation == "affinity"
    streamed = (relation, distance) == ("affinity", "kl")
    torch = importlib.util.find_spec("torch") is not None
    rows = {name: {} for name in ("ours", "naive", "torch")}
    for side in sides:
        cells = rows["ours"]
        seconds = expected_seconds(cells, side, streamed)
        make = ours(relation, distance, _BLOCK.value)
        cells[side] = measure_jax(make, side, seconds)
        if pairs and fits(side):
            naive = inter_pixel_naive.value_and_grad(distance)
            seconds = expected_seconds(rows["naive"], side, True)
            rows["naive"][side] = measure_jax(naive, side, seconds)
        if torch and (fits(side) or not pairs):
            seconds = expected_seconds(rows["torch"], side, pairs)
            if seconds <= _BUDGET.value:
                rows["torch"][side] = measure_torch(relation, distance, side)
    return {name: cells for name, cells in rows.items() if cells}


def table(result: dict, sides: list[int]) -> str:
    """Markdown table of seconds, megabytes and exponents."""
    heads = [f"{side}²" for side in sides]
    lines = [
        f"| reading | version | {' | '.join(heads)} | exponent |",
        "|" + "---|" * (len(sides) + 3),
    ]
    for reading, rows in result.items():
        for name, cells in rows.items():
            shown = [_cell(cells.get(side, {})) for side in sides]
            power = exponent(cells)
            shown.append("-" if power is None else f"{power:.2f}")
            lines.append(f"| {reading} | {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _cell(cell: dict) -> str:
    seconds, size = cell.get("seconds"), cell.get("temporary_bytes")
    moved = cell.get("moved_bytes")
    shown = "-" if seconds is None else f"{seconds * 1e3:.3g} ms"
    shown = shown if moved is None else f"{moved / 1e6:.3g} MB moved"
    return shown if size is None else f"{shown}, {size / 1e6:.3g} MB"


def main(argv: list[str]) -> None:
    """Measures every reading, prints the table and writes the JSON file."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    # A program read from the cache has no memory analysis.
    jax.config.update("jax_enable_compilation_cache", False)
    absl_logging.set_verbosity(absl_logging.WARNING)
    sides = sorted(map(int, _SIDES.value))
    rows = {}
    for reading in _READINGS.value:
        rows[reading] = measure(*reading.split("/"), sides)
        print(f"{reading} done", file=sys.stderr)
    result = {
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "batch_size": _BATCH.value,
        "classes": _CLASSES.value,
        "block": _BLOCK.value,
        "rows": rows,
    }
    print(f"{result['device']}, jax {result['jax']}\n\n{table(rows, sides)}")
    if _JSON.value:
        text = json.dumps(result, indent=1) + "\n"
        pathlib.Path(_JSON.value).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
