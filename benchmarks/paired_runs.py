"""Runs from CSV files, and the pairs of them that differ in a term alone."""

import csv
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

COLUMNS = ("data", "labels", "arm", "seed", "commit", "lock")


class Pair(NamedTuple):
    """Two runs that differ in the term alone.

    Attributes:
      cell: (data set, labels).
      seed: of both runs.
      host, arm: mIoU in percent.
    """

    cell: tuple[str, int]
    seed: int
    host: float
    arm: float

    @property
    def difference(self) -> float:
        """The arm's mIoU less the host's, in points."""
        return self.arm - self.host


def read_rows(paths: Sequence[pathlib.Path], score: str) -> list[dict]:
    """The runs of some CSV files, with numbers as numbers.

    Raises:
      ValueError: a column is missing, a value is not a number, or two rows
        are the same run; names file and line.
    """
    rows, seen = [], {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = {*COLUMNS, score} - set(reader.fieldnames or ())
            if missing:
                raise ValueError(
                    f"{path} has no column {', '.join(sorted(missing))}."
                )
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                run = _run(row, score, where)
                key = (run["cell"], run["arm"], run["seed"])
                if key in seen:
                    raise ValueError(
                        f"{where} is the same run as {seen[key]}: "
                        f"{run['arm']}, seed {run['seed']}; remove one."
                    )
                seen[key] = where
                rows.append(run)
    return rows


def _run(row: dict, score: str, where: str) -> dict:
    try:
        return {
            "cell": (row["data"], int(row["labels"])),
            "seed": int(row["seed"]),
            "score": float(row[score]),
            **{name: row[name] for name in ("arm", "commit", "lock")},
        }
    except ValueError as error:
        raise ValueError(f"{where}: {error}.") from error


def find_pairs(
    rows: Sequence[dict], host: str, arm: str
) -> tuple[list[Pair], list[str]]:
    """The pairs of two arms, and words for each run without its partner.

    Raises:
      ValueError: the runs of a pair are of two commits or lock files.
    """
    sides: dict[tuple, dict[str, dict]] = {}
    for row in rows:
        if row["arm"] in (host, arm):
            both = sides.setdefault((row["cell"], row["seed"]), {})
            both[row["arm"]] = row
    pairs, alone = [], []
    for (cell, seed), both in sorted(sides.items()):
        if len(both) == 1:
            alone.append(
                f"{cell[0]} {cell[1]} seed {seed} ({next(iter(both))})"
            )
            continue
        for field in ("commit", "lock"):
            if both[host][field] != both[arm][field]:
                raise ValueError(
                    f"{cell[0]} with {cell[1]} labels, seed {seed}: the two "
                    f"runs differ in their {field}, so they are not a pair; "
                    "run one of them again."
                )
        pairs.append(Pair(cell, seed, both[host]["score"], both[arm]["score"]))
    return pairs, alone


def cells_of(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs of each cell by its name, cells and seeds in order."""
    cells: dict[str, list[Pair]] = {}
    for pair in sorted(pairs):
        data, labels = pair.cell
        cells.setdefault(f"{data}, {labels} labels", []).append(pair)
    return cells
