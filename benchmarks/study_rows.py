"""Finished runs as rows of docs/ablation's CSV files:

python -m benchmarks.study_rows confirm OUT benchmarks/confirm.sh

OUT holds folders DATA_LABELS/ARM, each the workdir of a sweep over seeds, as in
OUT/camvid_23/cell_6. The last argument says where the settings are written.
Runs that have not finished are left out and counted on stderr. The commit is
the one that is checked out now: print the rows where the runs were trained.
"""

import argparse
import csv
import hashlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ipixmatch_jax.evaluate.results_table import FILE, read_results

HEADER = (
    "stage",
    "data",
    "labels",
    "arm",
    "seed",
    "commit",
    "lock",
    "steps",
    "network",
    "val_last",
    "test_last",
    "val_best",
    "test_best",
    "val_student",
    "val_teacher",
    "cpu_seconds",
    "settings",
    "name",
)
_ROOT = pathlib.Path(__file__).resolve().parents[1]


def checkout_commit() -> str:
    """The commit that is checked out, "unknown" outside a checkout."""
    done = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def lock_name(made_with: Mapping[str, str], lock: str) -> str:
    """Twelve digits of a lock file's sha256 if the run's jax stands in it.

    Args:
      made_with: of the run's results.json.
      lock: text of the lock file.
    """
    if f"\njax=={made_with['jax']} " in f"\n{lock}":
        return hashlib.sha256(lock.encode()).hexdigest()[:12]
    return f"none: jax {made_with['jax']} on {made_with['devices']}"


def last_scores(workdir: pathlib.Path) -> dict[str, float]:
    """Student's and teacher's mIoU on val at a run's last evaluation."""
    found: dict[str, float] = {}
    text = (workdir / "metrics.jsonl").read_text("utf-8")
    for line in text.splitlines():
        values = json.loads(line)
        for network in ("student", "teacher"):
            key = f"val_miou_{network}"
            if key in values:
                found[f"val_{network}"] = round(values[key], 3)
    return found


def study_row(
    stage: str, workdir: pathlib.Path, commit: str, lock: str, settings: str
) -> dict[str, Any]:
    """The row of one finished run; workdir is DATA_LABELS/ARM/.../seed_N.

    Raises:
      ValueError, FileNotFoundError: one sentence on the file that is wrong.
    """
    results = read_results(workdir)
    config = json.loads((workdir / "config.json").read_text("utf-8"))
    cell, arm = workdir.parts[-4:-2]
    data, _, labels = cell.rpartition("_")
    scores = {
        f"{subset}_{which}": round(results[which][subset]["miou"], 3)
        for which in ("last", "best")
        for subset in ("val", "test")
        if subset in results[which]
    }
    return {
        "stage": stage,
        "data": data,
        "labels": labels,
        "arm": arm.replace("_", " "),
        "seed": config["seed"],
        "commit": commit,
        "lock": lock_name(results["made_with"], lock),
        "steps": results["last"]["step"],
        "network": results["last"]["network"],
        **scores,
        **last_scores(workdir),
        "settings": settings,
        "name": f"{stage}_{cell}_{arm}_s{config['seed']}",
    }


def main(args: argparse.Namespace) -> None:
    """Prints the rows.

    Raises:
      ValueError, OSError: one sentence on the file that is wrong.
    """
    lock = (_ROOT / "requirements.lock").read_text("utf-8")
    commit = checkout_commit()
    runs = sorted(path.parent for path in args.out.rglob("config.json"))
    finished = [run for run in runs if (run / FILE).exists()]
    rows = [
        study_row(args.stage, run, commit, lock, args.settings)
        for run in finished
    ]
    table = csv.DictWriter(sys.stdout, HEADER, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    print(f"{len(rows)} of {len(runs)} runs have ended.", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_rows",
        description="Finished runs as rows of docs/ablation's CSV files.",
    )
    parser.add_argument("stage", help="first column, such as confirm")
    parser.add_argument("out", type=pathlib.Path, help="DATA_LABELS/ARM/...")
    parser.add_argument("settings", help="where the settings are written")
    return parser


if __name__ == "__main__":
    try:
        main(_parser().parse_args())
    except (ValueError, OSError) as error:
        sys.exit(f"benchmarks.study_rows: {error}")
