"""The rows of a sweep that are best on val, as an axis for another sweep:

python -m benchmarks.best_rows runs/sweep/sweep.csv 5
"""

import csv
import sys

# What ipixmatch_jax/sweep/table.py writes beside the rows' own fields.
_LAST_FIELD = "checkpoint"


def best_rows(lines: list[str], count: int) -> str:
    """One axis of ipixmatch_jax.sweep, FIELD+FIELD=VALUE+VALUE,...

    Args:
      lines: of a sweep.csv; its first row, the baseline, is not chosen.
      count: rows to take, by the mean of the best checkpoint on val.

    Raises:
      ValueError: there are not so many finished rows.
    """
    table = list(csv.DictReader(lines))
    names = list(table[0])
    fields = names[: names.index(_LAST_FIELD)]
    rows = [
        row
        for row in table
        if (row["checkpoint"], row["set"]) == ("best", "val")
    ]
    finished = [row for row in rows[1:] if row["mean"]]
    if len(finished) < count:
        raise ValueError(
            f"The sweep has {len(finished)} finished rows beside its first, "
            f"and {count} are asked for: let it finish, or ask for fewer."
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
