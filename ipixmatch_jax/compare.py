"""One table of finished runs; seeds of one row are averaged:

python -m ipixmatch_jax.compare host=DIR IPixMatch=DIR,DIR,DIR
"""

import argparse
import json
import pathlib
import statistics
import sys


def read(workdir: pathlib.Path) -> dict:
    """A finished run's results.json.

    Raises:
      FileNotFoundError: the run is not finished, or is not one.
    """
    path = workdir / "results.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: the run in {workdir} has not finished; start "
            "it again with its own command and it continues."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def table(rows: dict[str, list[dict]]) -> str:
    """IoU in percent per run, checkpoint and set, as Markdown.

    Args:
      rows: name of the row -> the results.json of its seeds, which are
        averaged; all of one data set. "best" or "last" may be left out; a
        "file" of weights is of no step.

    Returns:
      a table; with several seeds the mIoU has its sample standard deviation.
    """
    classes = next(iter(rows.values()))[0]["class_names"]
    lines = [["run", "checkpoint", "on", "mIoU", *classes]]
    for name, seeds in rows.items():
        for which in ("best", "last", "file"):
            for subset in ("val", "test"):
                parts = [s[which] for s in seeds if subset in s.get(which, {})]
                if parts:
                    cells = _scores([part[subset] for part in parts])
                    lines.append([name, _label(which, parts), subset, *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def _label(which: str, parts: list[dict]) -> str:
    if which == "file":
        return which
    if len(parts) > 1:
        return f"{which} of {len(parts)} seeds"
    return f"{which} ({parts[0]['network']}, {parts[0]['step']})"


def _scores(seeds: list[dict]) -> list[str]:
    mious = [seed["miou"] for seed in seeds]
    cells = [f"{statistics.fmean(mious):.1f}"]
    if len(seeds) > 1:
        cells[0] += f" ± {statistics.stdev(mious):.1f}"
    by_class = zip(*(seed["iou"] for seed in seeds), strict=True)
    return cells + [f"{statistics.fmean(values):.1f}" for values in by_class]


def main() -> None:
    """Prints the table, then where each run's files are."""
    parser = argparse.ArgumentParser(description="One table of finished runs.")
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="NAME=WORKDIR[,WORKDIR...]",
        help="a row: its name and the workdirs of its seeds",
    )
    rows = {}
    try:
        for run in parser.parse_args().runs:
            name, _, folders = run.rpartition("=")
            seeds = [read(pathlib.Path(f)) for f in folders.split(",")]
            rows[name or folders] = seeds
        text = table(rows)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"ipixmatch_jax: {error}")
    print(text)
    for name, seeds in rows.items():
        for result in seeds:
            print(f"\n{name}")
            for what, path in result["files"].items():
                print(f"  {what}: {path}")


if __name__ == "__main__":
    main()
