"""Times a network in onnxruntime beside the same network in JAX, in turns:

python -m benchmarks.onnx_speed --network r50c4 --size 257x257 --threads 1,2
python -m benchmarks.onnx_speed --workdir runs/mine --json onnx_speed.json

The network is a run's, or has random weights, whose probabilities are all
nearly equal: only a run's show how well the two agree. Both sides compute
softmax probabilities in float32 of the same uint8 images, preprocessing
included, in processes of their own on the same processors. They take turns, so
that a machine that slows down slows down both. Prints one line of JSON per
number of threads: the seconds of a batch (median, least and most), the ratio of
the medians, the least and the largest ratio of a turn, and the largest
difference of a probability.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILE, IMAGES, SETTING = "model.onnx", "images.npy", "setting.json"
SIDES = ("ours", "onnxruntime")
CLASSES = 21

# Gives float32 probabilities [batch, height, width, classes].
Forward = Callable[[np.ndarray], np.ndarray]


def open_network(setting: dict[str, Any]):
    """The network in float32 and its variables, the same in every process.

    Args:
      setting: `workdir` of a run, or None; `network` of the registry else.
    """
    import jax

    from ipixmatch_jax.experiment.network import build_network
    from ipixmatch_jax.experiment.resolve import change_fields
    from ipixmatch_jax.models import registry
    from ipixmatch_jax.models.segmenter import draw_variables
    from ipixmatch_jax.predict.model import load_model

    if setting["workdir"]:
        model = load_model(pathlib.Path(setting["workdir"]))
        plain = {"precision": "f32", "model.attention": "auto"}
        network = build_network(change_fields(model.config, plain))
        return network, model.variables
    network = registry.build(setting["network"], CLASSES)
    side = 2 * network.side_multiple + 31 * (network.side_multiple == 1)
    return network, draw_variables(network, side, jax.random.key(0))


def write_files(folder: pathlib.Path, setting: dict[str, Any]) -> None:
    """Writes the ONNX file, the images and the setting."""
    from ipixmatch_jax.predict import onnx_file

    network, variables = open_network(setting)
    height, width = setting["size"]
    names = tuple(f"class {k}" for k in range(network.num_classes))
    onnx_file.write_onnx(
        folder / FILE,
        network,
        variables,
        size=(height, width),
        class_names=names,
        palette=[(k, k, k) for k in range(network.num_classes)],
    )
    shape = (setting["batch"], height, width, network.channels)
    rng = np.random.default_rng(0)
    np.save(folder / IMAGES, rng.integers(0, 256, shape, np.uint8))
    text = json.dumps(setting)
    (folder / SETTING).write_text(text, encoding="utf-8")


def build_ours(folder: pathlib.Path, threads: int) -> Forward:
    """The network in JAX, which takes the processors of its process."""
    del threads
    import jax

    from ipixmatch_jax.predict.averaging import average_probabilities

    setting = json.loads((folder / SETTING).read_text("utf-8"))
    network, variables = open_network(setting)
    run = jax.jit(lambda v, x: average_probabilities(network, v, x))
    return lambda images: np.asarray(run(variables, images))


def build_onnxruntime(folder: pathlib.Path, threads: int) -> Forward:
    """The network in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / FILE), options, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {"images": images})[0]


def work(side: str, folder: pathlib.Path, threads: int) -> None:
    """A worker's life: builds its side, then runs as often as it is told."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, allowed)
    build = {"ours": build_ours, "onnxruntime": build_onnxruntime}[side]
    forward = build(folder, threads)
    images = np.load(folder / IMAGES)
    np.save(folder / f"{side}.npy", forward(images))  # compiles, too
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            forward(images)
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


class Worker:
    """A process that has built one side and waits to be told."""

    def __init__(self, side: str, folder: pathlib.Path, threads: int):
        words = ["--worker", side, str(folder), str(threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.onnx_speed", *words],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def run(self, count: int) -> list[float]:
        """The seconds of each of so many batches."""
        print(count, file=self._process.stdin, flush=True)
        return json.loads(self._read())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate("")

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            sys.exit("benchmarks.onnx_speed: a side ended; see above.")
        return line


def measure(
    folder: pathlib.Path, threads: int, rounds: int, count: int
) -> dict[str, Any]:
    """Both sides' seconds in turns, and how far their results are apart.

    Args:
      folder: with the files of `write_files`.
      threads: processors to use.
      rounds: how often each side has its turn.
      count: batches in a turn.
    """
    workers = {side: Worker(side, folder, threads) for side in SIDES}
    turns: dict[str, list[list[float]]] = {side: [] for side in SIDES}
    for worker in workers.values():
        worker.run(1)
    for _ in range(rounds):
        for side, worker in workers.items():
            turns[side].append(worker.run(count))
    for worker in workers.values():
        worker.close()
    ours, theirs = (np.load(folder / f"{side}.npy") for side in SIDES)
    return summarise(turns) | {
        "max_difference": float(np.abs(ours - theirs).max()),
        "same_class": float(np.mean(ours.argmax(-1) == theirs.argmax(-1))),
    }


def summarise(turns: dict[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Medians, spreads and ratios of the seconds of both sides' turns."""
    found: dict[str, Any] = {}
    medians = {}
    for side in SIDES:
        seconds = [s for turn in turns[side] for s in turn]
        medians[side] = statistics.median(seconds)
        found[f"{side}_seconds"] = [
            round(value, 5)
            for value in (medians[side], min(seconds), max(seconds))
        ]
    ratios = [
        statistics.median(ours) / statistics.median(theirs)
        for ours, theirs in zip(*(turns[s] for s in SIDES), strict=True)
    ]
    found["ours_over_onnxruntime"] = medians["ours"] / medians["onnxruntime"]
    found["ratio_of_turns"] = [min(ratios), max(ratios)]
    return found


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.onnx_speed",
        description="Time onnxruntime beside JAX on the same processors.",
    )
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--network", default="r50c4", help="with random weights (r50c4)"
    )
    which.add_argument("--workdir", help="of a run, whose best network it is")
    parser.add_argument(
        "--size", default="256x256", help="height x width in pixels (256x256)"
    )
    parser.add_argument("--batch", type=int, default=1, help="images (1)")
    parser.add_argument(
        "--threads", default="1,2", help="processors, by commas (1,2)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns (5)")
    parser.add_argument(
        "--count", type=int, default=5, help="batches in a turn (5)"
    )
    parser.add_argument("--json", help="file to write the lines to")
    return parser.parse_args()


def main() -> None:
    """Measures, and prints a line of JSON per number of threads."""
    given = arguments()
    if given.worker:
        side, folder, threads = given.worker
        work(side, pathlib.Path(folder), int(threads))
        return
    height, width = map(int, given.size.split("x"))
    setting = {
        "network": None if given.workdir else given.network,
        "workdir": given.workdir and os.path.abspath(given.workdir),
        "size": [height, width],
        "batch": given.batch,
    }
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder, setting)
        for threads in map(int, given.threads.split(",")):
            found = measure(folder, threads, given.rounds, given.count)
            lines.append(json.dumps(setting | {"threads": threads} | found))
            print(lines[-1], flush=True)
    if given.json:
        text = "".join(f"{line}\n" for line in lines)
        pathlib.Path(given.json).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
