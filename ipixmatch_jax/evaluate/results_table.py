"""Tables of scores: of one run, and of several finished runs."""

import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ipixmatch_jax.utils.json_files import read_json_object

FILE = "results.json"  # in the workdir of a finished run
_WAY_OUT = "remove it, and the command that trained the run writes it again"


def read_results(workdir: pathlib.Path) -> dict:
    """A finished run's results.json.

    Raises:
      FileNotFoundError: the run has not finished, or this is not a run.
      ValueError: the file is torn, or does not hold the scores of a run.
    """
    path = workdir / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: the run in {workdir} has not finished; start "
            "it again with its own command and it continues."
        )
    result = read_json_object(path, _WAY_OUT)
    fault = _find_fault(result)
    if fault is not None:
        raise ValueError(
            f"{path} does not hold the results of a run ({fault}): {_WAY_OUT}."
        )
    return result


def _find_fault(result: Mapping[str, Any]) -> str | None:
    """What is wrong with the content of a results.json, in words."""
    names = result.get("class_names")
    if not isinstance(names, list) or not _all_of(str, names):
        return "no class_names"
    for which in ("best", "last"):
        part = result.get(which)
        if not isinstance(part, dict):
            return f"no {which}"
        if type(part.get("step")) is not int or part["step"] < 0:
            return f"no step of {which}"
        if not isinstance(part.get("network"), str):
            return f"no network of {which}"
        if "val" not in part:
            return f"no scores of {which} on val"
        for subset in ("val", "test"):
            if subset in part and not _are_scores(part[subset], len(names)):
                return f"no scores of {which} on {subset}"
    for key in ("files", "made_with"):  # older versions lack the second
        texts = result.get(key, {})
        if not isinstance(texts, dict) or not _all_of(str, texts.values()):
            return f"no texts in {key}"
    return None


def _are_scores(scores: Any, classes: int) -> bool:
    if not isinstance(scores, dict) or not isinstance(scores.get("iou"), list):
        return False
    iou = scores["iou"]
    means = [scores.get("miou"), scores.get("foreground_miou", 0.0)]
    return len(iou) == classes and _all_of((int, float), [*means, *iou])


def _all_of(kind: type | tuple[type, ...], values: Iterable[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)


def format_run(result: Mapping[str, Any]) -> str:
    """The scores of a finished run: a row per class, best beside last.

    Args:
      result: what results.json holds.
    """
    best, last = result["best"], result["last"]
    checkpoints = {"best": best, "last": last}
    if all(best[key] == last[key] for key in ("network", "step")):
        checkpoints = {"best and last": best}
    columns = {
        f"{which}, {subset}": part[subset]
        for which, part in checkpoints.items()
        for subset in ("val", "test")
        if subset in part
    }
    notes = [
        f"{which}: the {part['network']} after {part['step']} steps"
        for which, part in checkpoints.items()
    ]
    table = format_scores(result["class_names"], columns)
    return f"{table}\n{'; '.join(notes)}"


def format_scores(
    class_names: Sequence[str], columns: Mapping[str, Mapping[str, Any]]
) -> str:
    """IoU in percent as Markdown: the mean, then a row per class.

    Args:
      class_names: one per class id.
      columns: title -> "miou", "iou" per class and, if class 0 is the
        background, "foreground_miou"; see scores_from_confusion.
    """
    scores = list(columns.values())
    lines = [["IoU in %", *columns]]
    lines.append(["mean (mIoU)", *(f"{s['miou']:.1f}" for s in scores)])
    if all("foreground_miou" in s for s in scores):
        means = (f"{s['foreground_miou']:.1f}" for s in scores)
        lines.append(["mean without background", *means])
    for k, name in enumerate(class_names):
        lines.append([name, *(f"{s['iou'][k]:.1f}" for s in scores)])
    return _format_markdown(lines)


def _format_markdown(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def format_table(rows: dict[str, list[dict]]) -> str:
    """IoU in percent of several runs as Markdown: a row per checkpoint and set.

    Args:
      rows: name of the row -> the results.json of its seeds, which are
        averaged; all of one data set. "best" or "last" may be missing.

    Returns:
      a table. The mIoU of several seeds has its sample standard deviation.
      "foreground", the mean IoU without the background, is a column where all
      results have it.
    """
    classes = next(iter(rows.values()))[0]["class_names"]
    also = ["foreground"] * _all_have_foreground(rows)
    lines = [["run", "checkpoint", "on", "mIoU", *also, *classes]]
    for name, seeds in rows.items():
        for which in ("best", "last"):
            for subset in ("val", "test"):
                parts = [s[which] for s in seeds if subset in s.get(which, {})]
                if parts:
                    cells = _scores([part[subset] for part in parts], also)
                    lines.append([name, _label(which, parts), subset, *cells])
    return _format_markdown(lines)


def _label(which: str, parts: list[dict]) -> str:
    if len(parts) > 1:
        return f"{which} of {len(parts)} seeds"
    return f"{which} ({parts[0]['network']}, {parts[0]['step']})"


def _all_have_foreground(rows: dict[str, list[dict]]) -> bool:
    return all(
        "foreground_miou" in seed[which][subset]
        for seeds in rows.values()
        for seed in seeds
        for which in ("best", "last")
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
