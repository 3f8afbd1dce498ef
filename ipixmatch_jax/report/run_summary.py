"""A run in a few words and numbers."""

from typing import NamedTuple

from ipixmatch_jax.report.metrics_log import Best
from ipixmatch_jax.report.run_files import Run
from ipixmatch_jax.utils.durations import format_duration


class Fact(NamedTuple):
    """One number in large type, with its label and what it refers to."""

    label: str
    value: str
    detail: str


def describe_run(run: Run) -> str:
    """The run in one line."""
    fields = {
        name: run.config.get(name, "?")
        for name in ("method", "data.name", "data.split", "model.backbone")
    }
    method, name, split, backbone = fields.values()
    term = run.config.get("inter_pixel.weight", 0)
    with_term = f" with the inter-pixel term ({term:g})" if term else ""
    data = f"{name} {split}".strip()
    start = f"; {run.origin.describe()}" if run.origin else ""
    return f"{method}{with_term} on {data}, {backbone}{start}"


def find_best(run: Run) -> Best | None:
    """The best score on val, from metrics.jsonl or else results.json."""
    found = run.history.best()
    if found is None and run.results is not None:
        part = run.results["best"]
        found = Best(part["step"], part["network"], part["val"]["miou"])
    return found


def find_iou(run: Run, found: Best) -> list[float]:
    """IoU per class of the best evaluation; [] where it was not kept."""
    values = run.history.iou(found.network, found.step)
    if not values and run.results is not None:
        values = run.results["best"]["val"]["iou"]
    return values


def find_test_scores(run: Run, step: int | None = None) -> dict | None:
    """The best checkpoint's scores on test, if there are any.

    Args:
      run: what its files hold.
      step: the step that the checkpoint must be of; None: any.
    """
    part = (run.results or {}).get("best", {})
    return part.get("test") if step in (None, part.get("step")) else None


def read_versions(run: Run) -> dict[str, str]:
    """Versions and devices, if the run stored them."""
    return (run.results or {}).get("made_with", {})


def count_steps(run: Run) -> int:
    """The steps that are known to be done."""
    written = run.results["last"]["step"] if run.results else 0
    return max(run.history.last_step, written)


def list_facts(run: Run) -> list[Fact]:
    """The most important numbers of a run."""
    found, timing, test = (
        find_best(run),
        run.history.timing(),
        find_test_scores(run),
    )
    told = []
    if found is not None:
        at = f"mIoU of the {found.network}, step {found.step:,}"
        told.append(Fact("Best on val", f"{found.miou:.1f} %", at))
        foreground = run.history.foreground(found.network).get(found.step)
        if foreground is not None:
            at = "the same network, without the background"
            told.append(Fact("Foreground IoU", f"{foreground:.1f} %", at))
    if test is not None and run.results is not None:
        part = run.results["best"]
        at = f"mIoU of the {part['network']}, step {part['step']:,}"
        told.append(Fact("On test", f"{test['miou']:.1f} %", at))
    of = "finished" if run.finished else f"of {run.steps:,} so far"
    told.append(Fact("Steps", f"{count_steps(run):,}", of))
    skipped = list(run.history.series.get("skipped", {}).values())[-1:]
    if any(skipped):
        told.append(Fact("Skipped", f"{skipped[0]:,}", "updates, not finite"))
    if timing is not None:
        spent = format_duration(timing.seconds)
        told.append(Fact("Training time", spent, "without evaluations"))
        images = f"{timing.images_per_second:.3g} images/s, medians"
        told.append(
            Fact("Speed", f"{timing.steps_per_second:.3g} steps/s", images)
        )
    return told
