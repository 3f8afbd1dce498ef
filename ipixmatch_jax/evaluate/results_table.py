"""One table of finished runs; seeds of one row are averaged:

python -m ipixmatch_jax.compare host=DIR IPixMatch=DIR,DIR,DIR
"""

import json
import pathlib
import statistics


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
      Where all results have it, "foreground" is the mean IoU of all classes
      but the background.
    """
    classes = next(iter(rows.values()))[0]["class_names"]
    also = ["foreground"] * _all_have_foreground(rows)
    lines = [["run", "checkpoint", "on", "mIoU", *also, *classes]]
    for name, seeds in rows.items():
        for which in ("best", "last", "file"):
            for subset in ("val", "test"):
                parts = [s[which] for s in seeds if subset in s.get(which, {})]
                if parts:
                    cells = _scores([part[subset] for part in parts], also)
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


def _all_have_foreground(rows: dict[str, list[dict]]) -> bool:
    return all(
        "foreground_miou" in seed[which][subset]
        for seeds in rows.values()
        for seed in seeds
        for which in ("best", "last", "file")
        for subset in ("val", "test")
        if subset in seed.get(which, {})
    )


def _scores(seeds: list[dict], also: list[str]) -> list[str]:
    cells = []
    for name in ["miou", *(f"{one}_miou" for one in also)]:
        values = [seed[name] for seed in seeds]
        cells.append(f"{statistics.fmean(values):.1f}")
        if len(seeds) > 1:
            cells[-1] += f" ± {statistics.stdev(values):.1f}"
    by_class = zip(*(seed["iou"] for seed in seeds), strict=True)
    return cells + [f"{statistics.fmean(values):.1f}" for values in by_class]
