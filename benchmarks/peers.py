"""Times a step of ours beside the same step in PyTorch, in turns:

python -m benchmarks.peers --sides 70,266 --json peers.json

Both sides run in processes of their own on the same processors, with the same
batch, network and precision (float32). They take turns, so that a machine that
slows down slows down both. Reported are the seconds of each step and the
processors' seconds, the ratio of the medians of both, and the resident memory
at its highest while stepping (Linux). On a machine that others use, too, the
processors' seconds are the ones to compare. Where torch is not installed, ours
alone is timed.

The step of `unimatch_v2` is DINOv2-S with a DPT head, 21 classes, on ready
views of noise. benchmarks/unimatch_v2_torch.py is written for this benchmark;
it is not UniMatch V2's own file.
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

# By the name of the step: the modules with count_parameters and build_step.
STEPS = {
    "unimatch_v2": {
        "ours": "benchmarks.unimatch_v2_ours",
        "torch": "benchmarks.unimatch_v2_torch",
    }
}
ROOT = pathlib.Path(__file__).resolve().parents[1]


class Worker:
    """A process that has built one side's step and waits to be told."""

    def __init__(self, module: str, side: int, batch: int, threads: int):
        words = [module, str(side), str(batch), str(threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers", "--worker", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.parameters = self._read()["parameters"]

    def run(self, steps: int) -> dict:
        """Seconds of each of so many steps, and bytes resident meanwhile."""
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


def work(module: str, side: int, batch: int, threads: int) -> None:
    """A worker's life: builds the step, then runs as many as it is told."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, allowed)
    found = importlib.import_module(module)
    step = found.build_step(side, batch, threads)
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
            "resident_bytes": peak_resident(),
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


def measure(name: str, side: int, given: argparse.Namespace) -> dict:
    """Both sides' seconds and memory at one size, in turns."""
    modules = dict(STEPS[name])
    if importlib.util.find_spec("torch") is None:
        modules.pop("torch", None)
    workers = {
        who: Worker(module, side, given.batch, given.threads)
        for who, module in modules.items()
    }
    rows = {who: {"seconds": [], "cpu_seconds": []} for who in workers}
    resident = dict.fromkeys(workers, 0)
    for worker in workers.values():
        worker.run(2)  # compiles, and fills the caches
    for _ in range(given.rounds):
        for who, worker in workers.items():
            found = worker.run(given.steps)
            for kind, values in rows[who].items():
                values += found[kind]
            resident[who] = max(resident[who], found["resident_bytes"] or 0)
    result = {"step": name, "side": side, "batch": given.batch}
    for who, worker in workers.items():
        result[who] = {
            "parameters": worker.parameters,
            "median_seconds": statistics.median(rows[who]["seconds"]),
            "median_cpu_seconds": statistics.median(rows[who]["cpu_seconds"]),
            **rows[who],
            "resident_bytes": resident[who] or None,
        }
        worker.close()
    if "torch" in result:
        for kind in ("seconds", "cpu_seconds"):
            ours, torch = (result[who][f"median_{kind}"] for who in modules)
            result[f"ours_over_torch_{kind}"] = ours / torch
    return result


def table(results: list[dict]) -> str:
    """Formats the results as a Markdown table."""
    lines = [
        "| step | side | batch | ours | torch | ours / torch | of processors' "
        "seconds | memory, ours | memory, torch |",
        "|---" * 9 + "|",
    ]
    for row in results:
        cells = [row["step"], row["side"], f"{row['batch']} + {row['batch']}"]
        for who in ("ours", "torch"):
            cells.append(_seconds(row.get(who)))
        for kind in ("seconds", "cpu_seconds"):
            ratio = row.get(f"ours_over_torch_{kind}")
            cells.append(f"{ratio:.2f}" if ratio else "-")
        for who in ("ours", "torch"):
            size = row.get(who, {}).get("resident_bytes")
            cells.append(f"{size / 2**30:.2f} GiB" if size else "-")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _seconds(found):
    if found is None:
        return "-"
    low, high = min(found["seconds"]), max(found["seconds"])
    wall, cpu = found["median_seconds"], found["median_cpu_seconds"]
    return f"{wall:.3g} s ({low:.3g} to {high:.3g}), {cpu:.3g} of processors"


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Time steps of ours beside PyTorch's, in turns.",
    )
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument(
        "--names", default=",".join(STEPS), help="which steps, by commas"
    )
    parser.add_argument(
        "--sides", default="70,266", help="sides of the images, by commas"
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=2,
        help="labelled images, and as many unlabelled ones (2)",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="processors to use"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns (3)")
    parser.add_argument("--steps", type=int, default=3, help="steps a turn (3)")
    parser.add_argument("--json", help="file to write the numbers to")
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    given = arguments()
    if given.worker:
        module, *numbers = given.worker
        work(module, *map(int, numbers))
        return
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed here, so ours alone is timed.\n")
    results = []
    for name in given.names.split(","):
        for side in given.sides.split(","):
            results.append(measure(name, int(side), given))
            if given.json:  # after each row: the next may take long
                text = json.dumps(results, indent=1) + "\n"
                pathlib.Path(given.json).write_text(text, encoding="utf-8")
    print(f"{platform.machine()}, {given.threads} processors, float32\n")
    print(table(results))


if __name__ == "__main__":
    main()
