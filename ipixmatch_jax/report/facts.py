"""What is said of a run in a few words and numbers."""

from ipixmatch_jax.report import tables
from ipixmatch_jax.report.history import Best
from ipixmatch_jax.report.run import Run


def about(run: Run) -> str:
    """The run in a line."""
    fields = {
        name: run.config.get(name, "?")
        for name in ("method", "data.name", "data.split", "model.backbone")
    }
    method, name, split, backbone = fields.values()
    term = run.config.get("inter_pixel.weight", 0)
    with_term = f" with the inter-pixel term ({term:g})" if term else ""
    data = f"{name} {split}".strip()
    return f"{method}{with_term} on {data}, {backbone}"


def best(run: Run) -> Best | None:
    """The best score on val: of metrics.jsonl, else of results.json."""
    found = run.history.best()
    if found is None and run.results is not None:
        part = run.results["best"]
        found = Best(part["step"], part["network"], part["val"]["miou"])
    return found


def on_test(run: Run, step: int | None = None) -> dict | None:
    """The best checkpoint's scores on test, if there are any.

    Args:
      run: read.
      step: None where that checkpoint is of another step than this.
    """
    part = (run.results or {}).get("best", {})
    return part.get("test") if step in (None, part.get("step")) else None


def made_with(run: Run) -> dict[str, str]:
    """Versions and devices, where the run stored them."""
    return (run.results or {}).get("made_with", {})


def steps_done(run: Run) -> int:
    """The steps that are known to be done."""
    written = run.results["last"]["step"] if run.results else 0
    return max(run.history.last_step, written)


def facts(run: Run) -> list[tuple[str, str, str]]:
    """Label, value and what goes with it, of the most telling numbers."""
    found, timing, test = best(run), run.history.timing(), on_test(run)
    told = []
    if found is not None:
        at = f"mIoU of the {found.network}, step {found.step:,}"
        told.append(("Best on val", f"{found.miou:.1f} %", at))
        foreground = run.history.foreground(found.network).get(found.step)
        if foreground is not None:
            at = "the same network, without the background"
            told.append(("Foreground IoU", f"{foreground:.1f} %", at))
    if test is not None:
        part = run.results["best"]
        at = f"mIoU of the {part['network']}, step {part['step']:,}"
        told.append(("On test", f"{test['miou']:.1f} %", at))
    of = "finished" if run.finished else f"of {run.steps:,} so far"
    told.append(("Steps", f"{steps_done(run):,}", of))
    skipped = list(run.history.series.get("skipped", {}).values())[-1:]
    if any(skipped):
        told.append(("Skipped", f"{skipped[0]:,}", "updates, not finite"))
    if timing is not None:
        spent = tables.duration(timing.seconds)
        told.append(("Training time", spent, "without evaluations"))
        images = f"{timing.images_per_second:.3g} images/s, medians"
        told.append(("Speed", f"{timing.steps_per_second:.3g} steps/s", images))
    return told
