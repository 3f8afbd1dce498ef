"""Times a step of ours beside the same step in PyTorch, in turns:

python -m benchmarks.peers --sides 70,266 --json peers.json

Both sides run in processes of their own on the same processors, with the same
batch, network and precision. They take turns, so that a machine that slows
down slows down both. Reported are the seconds of each step and the processors'
seconds, the ratio of the medians of both, and the memory at its highest while
stepping: resident (Linux), or on a GPU what the arrays take there. On a
machine that others use, too, the processors' seconds are the ones to compare.
Where torch is not installed, ours alone is timed. `--device gpu` times one
GPU; there, bf16 is automatic mixed precision on torch's side.

A row's name says what is timed, on ready noise with 21 classes:

    unimatch_v2  a training step of DINOv2-S with a DPT head
    unimatch     a training step of ResNet-50 with DeepLabV3+
    forward      a forward pass of the latter; `--batch` counts its images, and
                 onnxruntime takes part where the extra `onnx` is installed
    channel/kl   value and gradient of that reading of the inter-pixel loss, for
                 `--batch` maps; channel/correlation and pixel/kl, too

The files of the torch sides are written for this benchmark; they are not the
files of UniMatch or of UniMatch V2.
"""

import argparse
import importlib
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from ipixmatch_jax.cli.compiler_flags import set_compiler_flags
from ipixmatch_jax.cli.freed_memory import keep_freed_memory

# By the name of the row and the side: the module with count_parameters,
# build_step and, where it runs on GPUs, peak_device_bytes.
STEPS = {
    "unimatch_v2": {
        "ours": "benchmarks.unimatch_v2_ours",
        "torch": "benchmarks.unimatch_v2_torch",
    },
    "unimatch": {
        "ours": "benchmarks.unimatch_ours",
        "torch": "benchmarks.unimatch_torch",
    },
    "forward": {
        "ours": "benchmarks.forward_ours",
        "torch": "benchmarks.forward_torch",
        "onnxruntime": "benchmarks.forward_onnxruntime",
    },
}
STEPS |= {
    reading: {"ours": "benchmarks.term_ours", "torch": "benchmarks.term_torch"}
    for reading in ("channel/kl", "channel/correlation", "pixel/kl")
}
# Steps of training, whose batch has unlabelled images, too.
_TRAINING = ("unimatch_v2", "unimatch")
# What a side needs beyond this package.
NEEDS = {
    "ours": (),
    "torch": ("torch",),
    "onnxruntime": ("jax2onnx", "onnxruntime"),
}
ROOT = pathlib.Path(__file__).resolve().parents[1]


class Setting(NamedTuple):
    """What both sides of a row share.

    Attributes:
      side: of the square images in pixels.
      batch: images of a forward pass; of a step the labelled ones, and there
        are as many unlabelled ones.
      threads: processors to use.
      device: "cpu" or "gpu".
      precision: "f32" or "bf16".
      step: the row's name, of STEPS.
    """

    side: int
    batch: int
    threads: int
    device: str = "cpu"
    precision: str = "f32"
    step: str = ""


class Worker:
    """A process that builds one side's step and then waits to be told."""

    def __init__(self, module: str, setting: Setting):
        words = [module, json.dumps(setting)]
        # jax would take most of the GPU's memory from the other side.
        settings = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        if setting.device == "cpu":
            settings["JAX_PLATFORMS"] = "cpu"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers", "--worker", *words],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.parameters = 0

    def wait(self) -> None:
        """Returns when the step is built."""
        self.parameters = self._read()["parameters"]

    def run(self, steps: int) -> dict:
        """Seconds of each of so many steps, and the most bytes meanwhile."""
        stdin = self._process.stdin
        print(steps, file=stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate("")

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            sys.exit("benchmarks.peers: a side ended; its message is above.")
        return json.loads(line)


def work(module: str, setting: Setting) -> None:
    """A worker's life: builds the step, then runs as many as it is told."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))[: setting.threads]
        os.sched_setaffinity(0, allowed)
    on_cpu = setting.device == "cpu"
    if module.endswith("_ours") and on_cpu:
        set_compiler_flags()  # As every command does.
        keep_freed_memory()
    found = importlib.import_module(module)
    step = found.build_step(setting)
    print(json.dumps({"parameters": found.count_parameters()}), flush=True)
    for line in sys.stdin:
        forget_peak()
        seconds, processors = [], []
        for _ in range(int(line)):
            start, cpu = time.perf_counter(), time.process_time()
            step()
            seconds.append(time.perf_counter() - start)
            processors.append(time.process_time() - cpu)
        result = {
            "seconds": seconds,
            "cpu_seconds": processors,
            "peak_bytes": peak_resident()
            if on_cpu
            else found.peak_device_bytes(),
        }
        print(json.dumps(result), flush=True)


def forget_peak() -> None:
    """Starts the record of the highest resident memory again (Linux)."""
    path = pathlib.Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5", "ascii")


def peak_resident() -> int | None:
    """Bytes resident at their highest since then; None where not Linux."""
    path = pathlib.Path("/proc/self/status")
    if not path.exists():
        return None
    lines = path.read_text("ascii").splitlines()
    (value,) = [x.split()[1] for x in lines if x.startswith("VmHWM:")]
    return 1024 * int(value)


def measure(setting: Setting, rounds: int, steps: int) -> dict:
    """Both sides' seconds and memory in one setting, in turns.

    Args:
      setting: of both sides.
      rounds: how often each side has its turn.
      steps: in a turn.
    """
    modules = {
        who: module
        for who, module in STEPS[setting.step].items()
        if can_run(who, setting)
    }
    workers = {who: Worker(module, setting) for who, module in modules.items()}
    rows = {who: {"seconds": [], "cpu_seconds": []} for who in workers}
    memory = dict.fromkeys(workers, 0)
    for worker in workers.values():
        worker.wait()
    for worker in workers.values():
        worker.run(2)  # compiles, and fills the caches
    for _ in range(rounds):
        for who, worker in workers.items():
            found = worker.run(steps)
            for kind, values in rows[who].items():
                values += found[kind]
            memory[who] = max(memory[who], found["peak_bytes"] or 0)
    result = setting._asdict()
    for who, worker in workers.items():
        result[who] = {
            "parameters": worker.parameters,
            "median_seconds": statistics.median(rows[who]["seconds"]),
            "median_cpu_seconds": statistics.median(rows[who]["cpu_seconds"]),
            **rows[who],
            "peak_bytes": memory[who] or None,
        }
        worker.close()
    for who in workers.keys() - {"ours"}:
        result |= _ratios(result, who)
    return result


def can_run(who: str, setting: Setting) -> bool:
    """Whether a side's packages are here and it knows the setting."""
    on_cpu = (setting.device, setting.precision) == ("cpu", "f32")
    if who == "onnxruntime" and not on_cpu:
        return False
    return all(map(importlib.util.find_spec, NEEDS[who]))


def _ratios(result: dict, who: str) -> dict:
    """Ours over a peer: of the medians, and of the memory where it is known."""
    ours, peer = result["ours"], result[who]
    ratios = {
        f"ours_over_{who}_{kind}": ours[f"median_{kind}"]
        / peer[f"median_{kind}"]
        for kind in ("seconds", "cpu_seconds")
    }
    if ours["peak_bytes"] and peer["peak_bytes"]:
        memory = ours["peak_bytes"] / peer["peak_bytes"]
        ratios[f"ours_over_{who}_peak_bytes"] = memory
    return ratios


def table(results: list[dict]) -> str:
    """Formats the results as a Markdown table: a line for each peer."""
    lines = [
        "| step | side | batch | ours | peer | ours / peer | of processors' "
        "seconds | memory, ours | memory, peer |",
        "|---" * 9 + "|",
    ]
    for row in results:
        peers = [who for who in NEEDS if who != "ours" and who in row]
        lines += [_line(row, peer) for peer in peers or [None]]
    return "\n".join(lines)


def _line(row: dict, peer: str | None) -> str:
    both = row["step"] in _TRAINING
    count = f"{row['batch']} + {row['batch']}" if both else row["batch"]
    cells = [row["step"], row["side"], count, _seconds(row["ours"])]
    cells.append(f"{peer}: {_seconds(row[peer])}" if peer else "-")
    for kind in ("seconds", "cpu_seconds"):
        ratio = row.get(f"ours_over_{peer}_{kind}")
        cells.append(f"{ratio:.2f}" if ratio else "-")
    for who in ("ours", peer):
        size = row.get(who, {}).get("peak_bytes")
        cells.append(f"{size / 2**30:.2f} GiB" if size else "-")
    return "| " + " | ".join(map(str, cells)) + " |"


def _seconds(found):
    low, high = min(found["seconds"]), max(found["seconds"])
    wall, cpu = found["median_seconds"], found["median_cpu_seconds"]
    return f"{wall:.3g} s ({low:.3g} to {high:.3g}), {cpu:.3g} of processors"


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Time steps of ours beside PyTorch's, in turns.",
    )
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument(
        "--names",
        default="unimatch_v2",
        help=f"of {', '.join(STEPS)}, by commas",
    )
    parser.add_argument(
        "--sides", default="70,266", help="sides of the images, by commas"
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=2,
        help="images of a forward pass; of a step, labelled images and as "
        "many unlabelled ones (2)",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="processors to use"
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        default="cpu",
        help="cpu, or one gpu",
    )
    parser.add_argument(
        "--precision",
        choices=("f32", "bf16"),
        default="f32",
        help="f32 or bf16",
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns (3)")
    parser.add_argument("--steps", type=int, default=3, help="steps a turn (3)")
    parser.add_argument("--json", help="file to write the numbers to")
    given = parser.parse_args()
    check(parser, given.names.split(","), given.batch)
    return given


def check(
    parser: argparse.ArgumentParser, names: list[str], batch: int
) -> None:
    """Ends the program with one sentence if nothing can be measured."""
    for name in names:
        if name not in STEPS:
            parser.error(f"--names={name} is none of {', '.join(STEPS)}")
        if name in _TRAINING and (batch < 2 or batch % 2):
            parser.error(
                f"--batch={batch}: CutMix takes the images of a step in pairs, "
                "so make it an even number such as 2"
            )


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    given = arguments()
    if given.worker:
        module, setting = given.worker
        work(module, Setting(*json.loads(setting)))
        return
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed here, so ours alone is timed.\n")
    results = []
    for name in given.names.split(","):
        for side in given.sides.split(","):
            setting = Setting(
                int(side),
                given.batch,
                given.threads,
                given.device,
                given.precision,
                name,
            )
            results.append(measure(setting, given.rounds, given.steps))
            if given.json:  # after each row: the next may take long
                text = json.dumps(results, indent=1) + "\n"
                pathlib.Path(given.json).write_text(text, encoding="utf-8")
    words = f"{given.threads} processors, {given.device}, {given.precision}"
    print(f"{platform.machine()}, {words}\n")
    print(table(results))


if __name__ == "__main__":
    main()
