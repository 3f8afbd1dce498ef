"""Prints the best rows of a sweep, on val, as an axis for another sweep:

python -m benchmarks.best_rows runs/sweep/sweep.csv 5
"""

import csv
import sys

# In sweep.csv the columns before this one are the fields of the config.
_FIRST_COLUMN_OF_SCORES = "checkpoint"


def best_rows(lines: list[str], count: int) -> str:
    """The best rows as one axis of a sweep, FIELD+FIELD=VALUE+VALUE,...

    Args:
      lines: lines of a sweep.csv. Its first row, the baseline, is never
        chosen.
      count: how many rows to take, ordered by the mean val score of the best
        checkpoint.

    Raises:
      ValueError: fewer than `count` rows are finished.
    """
    table = list(csv.DictReader(lines))
    names = list(table[0])
    fields = names[: names.index(_FIRST_COLUMN_OF_SCORES)]
    rows = [
        row
        for row in table
        if (row["checkpoint"], row["set"]) == ("best", "val")
    ]
    finished = [row for row in rows[1:] if row["mean"]]
    if len(finished) < count:
        raise ValueError(
            f"The sweep has {len(finished)} finished rows besides the "
            f"baseline, but {count} were asked for: let it finish, or ask for "
            "fewer."
        )
    finished.sort(key=lambda row: -float(row["mean"]))
    values = ("+".join(row[f] for f in fields) for row in finished[:count])
    return f"{'+'.join(fields)}={','.join(values)}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.best_rows SWEEP.csv COUNT")
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        try:
            print(best_rows(list(file), int(sys.argv[2])))
        except ValueError as error:
            sys.exit(f"benchmarks.best_rows: {error}")
