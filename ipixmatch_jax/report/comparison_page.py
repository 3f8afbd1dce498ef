"""The page of two or more runs, side by side."""

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from ipixmatch_jax.report import charts as report_charts
from ipixmatch_jax.report.charts import Chart
from ipixmatch_jax.report.document import (
    Section,
    chart_section,
    render_document,
)
from ipixmatch_jax.report.folds import folds_section
from ipixmatch_jax.report.run_files import Run
from ipixmatch_jax.report.run_summary import (
    count_steps,
    describe_run,
    find_best,
    find_iou,
    find_test_scores,
    read_versions,
)
from ipixmatch_jax.report.tables import (
    Column,
    class_table,
    plain_table,
)
from ipixmatch_jax.report.templating import paragraph, swatch
from ipixmatch_jax.utils.durations import format_duration
from ipixmatch_jax.utils.loss_names import loss_name

_SCORES = {"miou": "mIoU", "foreground_iou": "Foreground IoU"}


def build_comparison_page(runs: Sequence[Run]) -> str:
    """HTML of several runs: scores, differences of config, curves."""
    classes, missing = _classes(runs)
    folds = folds_section(runs)
    sections = [
        Section("scores", "Scores", _scores(runs)),
        *([] if folds is None else [folds]),
        Section("config", "Differences", _differences(runs)),
        *_curves(runs),
        *classes,
    ]
    title = " / ".join(run.name for run in runs[:3])
    if len(runs) > 3:
        title += f" and {len(runs) - 3} more"
    head = paragraph(f"{len(runs)} runs side by side.")
    return render_document(title, head, sections, [*_notes(runs), *missing])


def _notes(runs: Sequence[Run]) -> list[str]:
    """Every note once, after the names of its runs."""
    named: dict[str, list[str]] = {}
    for run in runs:
        for note in run.notes:
            named.setdefault(note, []).append(run.name)
    return [f"{', '.join(names)}: {note}" for note, names in named.items()]


def _scores(runs: Sequence[Run]) -> Markup:
    head = (
        "run",
        "best on val",
        "network",
        "at step",
        "its test",
        "steps",
        "training time",
        "steps/s",
        "what",
    )
    rows = [_score_row(run) for run in runs]
    table = plain_table(head, rows, "Scores", _marks(runs))
    return table + paragraph(
        "Scores are mIoU. Each row is one run: two seeds of one recipe "
        "differ too."
    )


def _score_row(run: Run) -> tuple[object, ...]:
    found, timing = find_best(run), run.history.timing()
    test = found and find_test_scores(run, found.step)
    return (
        run.name,
        found and f"{found.miou:.2f}\xa0%",
        found and found.network,
        found and f"{found.step:,}",
        test and f"{test['miou']:.2f}\xa0%",
        f"{count_steps(run):,} of {run.steps:,}",
        timing and format_duration(timing.seconds),
        timing and f"{timing.steps_per_second:.3g}",
        describe_run(run),
    )


def _marks(runs: Sequence[Run]) -> list[Markup]:
    """The colour of each run's curves."""
    slots = [report_charts.style(i)[0] for i in range(len(runs))]
    return [swatch(f"var(--c{slot})") for slot in slots]


def _differences(runs: Sequence[Run]) -> Markup:
    rows = [
        *_unequal([run.config for run in runs], ""),
        *_unequal([read_versions(run) for run in runs], "made with "),
    ]
    if not rows:
        return paragraph("None: all fields are equal.")
    head = ("field", *(run.name for run in runs))
    return plain_table(head, rows, "Differences of config")


def _unequal(settings: Sequence[dict[str, Any]], prefix: str) -> list[tuple]:
    """A row per field whose values differ."""
    rows = []
    for field in sorted({field for one in settings for field in one}):
        values = [one.get(field) for one in settings]
        if any(value != values[0] for value in values):
            rows.append((prefix + field, *values))
    return rows


def _curves(runs: Sequence[Run]) -> list[Section]:
    sections = [
        ("miou", "Scores over steps", _score_charts(runs)),
        ("losses", "Losses", _loss_charts(runs)),
        ("pseudo-labels", "Pseudo-labels", _share_charts(runs)),
    ]
    return [
        chart_section(key, title, charts)
        for key, title, charts in sections
        if charts
    ]


def _score_charts(runs: Sequence[Run]) -> list[Chart]:
    charts = [
        report_charts.overlaid(
            f"{key}-{name}",
            f"{title} on val, {name}",
            runs,
            f"val_{key}_{name}",
            percent=True,
        )
        for key, title in _SCORES.items()
        for name in _union(run.history.networks for run in runs)
    ]
    return [chart for chart in charts if chart is not None]


def _loss_charts(runs: Sequence[Run]) -> list[Chart]:
    charts = [
        report_charts.overlaid(
            name.replace("_", "-"),
            f"Loss: {loss_name(name)}",
            runs,
            name,
            can_log=True,
        )
        for name in _union(run.history.losses for run in runs)
    ]
    return [chart for chart in charts if chart is not None]


def _share_charts(runs: Sequence[Run]) -> list[Chart]:
    title = "Confident share of unlabelled pixels"
    chart = report_charts.overlaid("confident", title, runs, "confident_share")
    return [chart] if chart is not None else []


def _union(lists: Iterable[Iterable[str]]) -> list[str]:
    """The names in any of the lists, in the order in which they appear."""
    return list(dict.fromkeys(name for names in lists for name in names))


def _classes(runs: Sequence[Run]) -> tuple[list[Section], list[str]]:
    """IoU per class, a column per run; or why there is none."""
    columns = []
    for run in runs:
        found = find_best(run)
        values = found and find_iou(run, found)
        if found and values:
            column = Column(run.name, values, found.miou)
            columns.append((run.names(len(values)), column))
    if not columns:
        return [], []
    names = columns[0][0]
    if any(other != names for other, _ in columns):
        return [], ["The runs have different classes: no IoU per class."]
    table = class_table(names, [column for _, column in columns])
    body = paragraph("The best evaluation on val of each run.") + table
    return [Section("classes", "Classes", body)], []
