"""Rounds of labelling, played with masks that are known:

python -m benchmarks.label_rounds --config configs/folder.py:r50c4 \
  --root DIR --first DIR/splits/1_64/labeled.txt --workdir runs/rounds \
  --csv docs/ablation/label_rounds.csv

Every seed trains once on the first labels. Each arm then chooses more images,
round by round, with the networks of its own last run, gets their masks, and
trains again. DIR holds images/, masks/ of all images, val/ and perhaps test/.
--pool 400 plays with a random draw of that many images, the same for all seeds.
The CSV gets a row after every run. A run that has a row is not trained again,
so the same command goes on where it was stopped.
benchmarks/label_rounds_figure.py draws the CSV.
"""

import argparse
import csv
import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ipixmatch_jax.cli import config_flag
from ipixmatch_jax.configuration.files import change_fields
from ipixmatch_jax.data.files.image_mask_pairs import find_pairs
from ipixmatch_jax.data.files.split_list import Entry, read_list, write_list
from ipixmatch_jax.evaluate.results_table import read_results
from ipixmatch_jax.suggest.suggestions import Suggestions, suggest_images
from ipixmatch_jax.sweep.programs import Programs
from ipixmatch_jax.training import loop
from ipixmatch_jax.utils import atomic
from ipixmatch_jax.utils.file_names import printable

FIRST = "first"  # the arm of the runs on the first labels, common to all arms
STARTS = ("scratch", "continue")
COLUMNS = (
    "start",
    "arm",
    "seed",
    "round",
    "labels",
    "steps",
    "val_best",
    "val_last",
    "test_best",
    "test_last",
)


class Run(NamedTuple):
    """One training of the experiment.

    Attributes:
      start: "scratch" or "continue".
      arm: of `ARMS`, or `FIRST`.
      seed: of training, and of the random choice.
      round: 0 on the first labels.
    """

    start: str
    arm: str
    seed: int
    round: int

    @property
    def name(self) -> str:
        """Of its folders."""
        # Runs on the first labels are the same from either start.
        parts = [] if self.arm == FIRST else [self.start]
        return "_".join([*parts, self.arm, f"s{self.seed}", f"r{self.round}"])

    @property
    def before(self) -> "Run":
        """The run whose networks choose the labels of this one."""
        arm = FIRST if self.round == 1 else self.arm
        return self._replace(arm=arm, round=self.round - 1)


class Plan(NamedTuple):
    """What all runs share.

    Attributes:
      config: of every run, but for seed, root and lists.
      root: of the data set.
      pool: all images with masks: (image, mask), relative to the root.
      first: those that are labelled from the start.
      each: how many images a round adds.
      workdir: gets the runs and their lists.
      programs: shares compiled programs between runs.
    """

    config: ConfigDict
    root: pathlib.Path
    pool: list[Entry]
    first: list[Entry]
    each: int
    workdir: pathlib.Path
    programs: Programs


# (workdir of the run before, its unlabelled images, how many, seed of the
# choice) -> the names of the chosen images, printable.
Choose = Callable[[pathlib.Path, list[str], int, Sequence[int]], list[str]]


# Two arms look at the networks of one run after the first labels.
@functools.cache
def _suggest(workdir: pathlib.Path, count: int) -> Suggestions:
    return suggest_images(workdir, count)


def choose_suggested(workdir, images, count, seed) -> list[str]:
    """What the command `suggest` chooses."""
    del images, seed
    return _suggest(workdir, count).names


def choose_by_entropy(workdir, images, count, seed) -> list[str]:
    """The images with the highest mean entropy, as `suggest` measures it."""
    del images, seed
    rows = _suggest(workdir, count).rows
    ordered = sorted(rows, key=lambda row: -row.entropy)
    return [row.name for row in ordered[:count]]


def choose_at_random(workdir, images, count, seed) -> list[str]:
    """A draw without replacement."""
    del workdir
    drawn = np.random.default_rng(seed).choice(len(images), count, False)
    return [images[i] for i in drawn]


ARMS: dict[str, Choose] = {
    "suggest": choose_suggested,
    "random": choose_at_random,
    "entropy": choose_by_entropy,
}


def make_plan(
    config: ConfigDict,
    root: pathlib.Path,
    first: pathlib.Path,
    each: int,
    rounds: int,
    workdir: pathlib.Path,
    size: int | None = None,
) -> Plan:
    """Reads what there is to label.

    Args:
      config: of every run, but for seed, root and lists.
      root: of the data set.
      first: the list of the images that are labelled from the start.
      each: how many images a round adds.
      rounds: after the runs on the first labels.
      workdir: gets the runs and their lists.
      size: of the pool, the first images included; None for all images.

    Raises:
      FileNotFoundError, ValueError: images or masks are absent, or too few.
    """
    pool = find_pairs(root, "images", "masks").labelled()
    by_image = {entry[0]: entry for entry in pool}
    names = [image for image, _ in read_list(first)]
    foreign = [name for name in names if name not in by_image]
    if foreign:
        raise ValueError(
            f"{first} names {foreign[0]}, which is not an image of {root} "
            "with a mask."
        )
    if size is not None:
        pool = _draw_pool(pool, set(names), size)
    needed = len(names) + each * rounds
    if needed > len(pool):
        raise ValueError(
            f"{rounds} rounds of {each} images need {needed} with masks, and "
            f"{'--pool keeps' if size else f'{root} has'} {len(pool)}: ask for "
            "fewer."
        )
    entries = [by_image[name] for name in names]
    return Plan(config, root, pool, entries, each, workdir, Programs())


def _draw_pool(pool: list[Entry], first: set[str], size: int) -> list[Entry]:
    """Keeps the first images and draws others; the order stays."""
    others = [entry[0] for entry in pool if entry[0] not in first]
    count = min(max(size - len(first), 0), len(others))
    drawn = np.random.default_rng(0).choice(others, count, replace=False)
    kept = first | set(drawn.tolist())
    return [entry for entry in pool if entry[0] in kept]


def list_runs(
    arms: Sequence[str], seeds: Sequence[int], rounds: int, start: str
) -> list[Run]:
    """All runs, each after the one before it."""
    runs = []
    for seed in seeds:
        runs.append(Run(start, FIRST, seed, 0))
        runs += [
            Run(start, arm, seed, number)
            for arm in arms
            for number in range(1, rounds + 1)
        ]
    return runs


def label_images(plan: Plan, run: Run) -> list[Entry]:
    """The labelled images of a run; writes its lists where they are not.

    The run before must be finished.
    """
    lists = plan.workdir / "lists" / run.name
    if (lists / "labeled.txt").is_file():
        return read_list(lists / "labeled.txt")
    labelled = list(plan.first)
    if run.round:
        before = label_images(plan, run.before)
        left = [entry for entry in plan.pool if entry not in before]
        by_name = {printable(entry[0]): entry for entry in left}
        chosen = ARMS[run.arm](
            plan.workdir / run.before.name,
            list(by_name),
            plan.each,
            (run.seed, run.round),
        )
        labelled = [*before, *(by_name[name] for name in chosen)]
    rest = [(image, None) for image, mask in plan.pool]
    known = {image for image, _ in labelled}
    write_list(
        lists / "unlabeled.txt", [one for one in rest if one[0] not in known]
    )
    # Written last: it says that both are there.
    write_list(lists / "labeled.txt", labelled)
    return labelled


def train_run(plan: Plan, run: Run) -> tuple[dict, int]:
    """Trains a run, or goes on with it.

    Returns:
      its row of the CSV, {} where a signal stopped it; and the exit code.
    """
    labels = len(label_images(plan, run))
    fields = {
        "seed": run.seed,
        "data.root": str(plan.root),
        "data.splits_dir": str(plan.workdir / "lists" / run.name),
        "data.split": "",
    }
    workdir = plan.workdir / run.name
    continued = run.round and run.start == "continue"
    code = loop.train(
        change_fields(plan.config, fields),
        workdir,
        open_data=plan.programs.open_data,
        build=plan.programs.build,
        continue_from=plan.workdir / run.before.name if continued else None,
    )
    if code:
        return {}, code
    return _row(run, labels, read_results(workdir)), 0


def _row(run: Run, labels: int, results: dict) -> dict[str, str]:
    scores = {
        f"{subset}_{which}": f"{results[which][subset]['miou']:.4f}"
        for subset in ("val", "test")
        for which in ("best", "last")
        if subset in results[which]
    }
    row = {"labels": labels, "steps": results["last"]["step"]}
    values = run._asdict() | row | scores
    return {name: str(values.get(name, "")) for name in COLUMNS}


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a CSV; none where it does not exist.

    Raises:
      ValueError: it has other columns.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"{path} has other columns than {','.join(COLUMNS)}.")
    return rows


def write_rows(path: pathlib.Path, rows: Sequence[dict[str, str]]) -> None:
    """Writes the whole CSV, so that none is ever half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic.replace_file(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def run_rounds(plan: Plan, runs: Sequence[Run], path: pathlib.Path) -> int:
    """Trains what has no row yet; returns 0, or the code of a signal."""
    rows = read_rows(path)
    done = {tuple(row[field] for field in Run._fields) for row in rows}
    for number, run in enumerate(runs, 1):
        if tuple(map(str, run)) in done:
            continue
        print(f"Run {number} of {len(runs)}: {run.name}", flush=True)
        row, code = train_run(plan, run)
        if code:
            return code
        rows.append(row)
        write_rows(path, rows)
    return 0


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    paths = ("root", "first", "workdir", "csv")
    for name in paths:
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--each", type=int, default=25)
    parser.add_argument("--pool", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--start", choices=STARTS, default=STARTS[0])
    return parser.parse_known_args()


def main() -> None:
    """Runs the experiment that the command line describes."""
    args, rest = _arguments()
    config = config_flag.parse_rest("ipixmatch_jax.main", args.config, rest)
    config_flag.configure_logging()
    try:
        plan = make_plan(
            config,
            args.root,
            args.first,
            args.each,
            args.rounds,
            args.workdir,
            args.pool,
        )
        runs = list_runs(args.arms, args.seeds, args.rounds, args.start)
        sys.exit(run_rounds(plan, runs, args.csv))
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.label_rounds: {error}")


if __name__ == "__main__":
    main()
