"""The page of two or more runs, beside each other."""

from ipixmatch_jax.report import charts as report_charts
from ipixmatch_jax.report import facts, tables
from ipixmatch_jax.report import page as report_page
from ipixmatch_jax.report.charts import Chart
from ipixmatch_jax.report.page import Section
from ipixmatch_jax.report.run import Run

_SCORES = {"miou": "mIoU", "foreground_iou": "Foreground IoU"}


def page(runs: list[Run]) -> str:
    """HTML of several runs: scores, differences of config, curves."""
    charts, curves = _curves(runs)
    classes, missing = _classes(runs)
    sections = [
        Section("scores", "Scores", _scores(runs)),
        Section("config", "Differences", _differences(runs)),
        *curves,
        *classes,
    ]
    title = " / ".join(run.name for run in runs[:3])
    if len(runs) > 3:
        title += f" and {len(runs) - 3} more"
    head = report_page.paragraph(f"{len(runs)} runs side by side.")
    return report_page.document(
        title, head, sections, charts, [*_notes(runs), *missing]
    )


def _notes(runs: list[Run]) -> list[str]:
    """Every note once, after the names of the runs that have it."""
    named: dict[str, list[str]] = {}
    for run in runs:
        for note in run.notes:
            named.setdefault(note, []).append(run.name)
    return [f"{', '.join(names)}: {note}" for note, names in named.items()]


def _scores(runs: list[Run]) -> str:
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
    rows = []
    for run in runs:
        found, timing = facts.best(run), run.history.timing()
        test = found and facts.on_test(run, found.step)
        rows.append(
            (
                run.name,
                found and f"{found.miou:.2f}\xa0%",
                found and found.network,
                found and f"{found.step:,}",
                test and f"{test['miou']:.2f}\xa0%",
                f"{facts.steps_done(run):,} of {run.steps:,}",
                timing and tables.duration(timing.seconds),
                timing and f"{timing.steps_per_second:.3g}",
                facts.about(run),
            )
        )
    table = tables.plain(head, rows, "Scores", _marks(runs))
    return table + report_page.paragraph(
        "Scores are mIoU. Each row is one run: two seeds of one recipe "
        "differ too."
    )


def _marks(runs: list[Run]) -> list[str]:
    """HTML: the colour of each run's curves."""
    slots = [report_charts.style(i)[0] for i in range(len(runs))]
    return [
        f'<i class="swatch" style="background:var(--c{slot})"></i>'
        for slot in slots
    ]


def _differences(runs: list[Run]) -> str:
    rows = [
        *_unequal([run.config for run in runs], ""),
        *_unequal([facts.made_with(run) for run in runs], "made with "),
    ]
    if not rows:
        return report_page.paragraph("None: all fields are equal.")
    head = ("field", *(run.name for run in runs))
    return tables.plain(head, rows, "Differences of config")


def _unequal(settings: list[dict], prefix: str) -> list[tuple]:
    """A row per field that is not the same everywhere."""
    rows = []
    for field in sorted({field for one in settings for field in one}):
        values = [one.get(field) for one in settings]
        if any(value != values[0] for value in values):
            rows.append((prefix + field, *values))
    return rows


def _curves(runs: list[Run]) -> tuple[list[Chart], list[Section]]:
    networks = _union(run.history.networks for run in runs)
    scores = [
        report_charts.overlaid(
            f"{key}-{name}",
            f"{title} on val, {name}",
            runs,
            f"val_{key}_{name}",
            percent=True,
        )
        for key, title in _SCORES.items()
        for name in networks
    ]
    scores = [chart for chart in scores if chart is not None]
    losses = [
        report_charts.overlaid(
            name.replace("_", "-"), name, runs, name, can_log=True
        )
        for name in _union(run.history.losses for run in runs)
    ]
    share = report_charts.overlaid(
        "confident",
        "Confident share of unlabelled pixels",
        runs,
        "confident_share",
    )
    sections = []
    if scores:
        title = "Scores over steps"
        sections.append(Section("miou", title, report_page.grid(scores)))
    if losses:
        body = report_page.grid(losses)
        sections.append(Section("losses", "Losses", body))
    if share:
        body = report_page.grid([share])
        sections.append(Section("pseudo-labels", "Pseudo-labels", body))
    return [*scores, *losses, *([share] if share else [])], sections


def _union(lists) -> list[str]:
    """What any of them holds, in the order in which it is met."""
    return list(dict.fromkeys(name for names in lists for name in names))


def _classes(runs: list[Run]) -> tuple[list[Section], list[str]]:
    """IoU per class, a column per run; or why there is none."""
    columns = []
    for run in runs:
        found = facts.best(run)
        values = found and _iou(run, found)
        if values:
            column = tables.Column(run.name, values, found.miou)
            columns.append((run.names(len(values)), column))
    if not columns:
        return [], []
    names = columns[0][0]
    if any(other != names for other, _ in columns):
        return [], ["The runs have other classes: no IoU per class."]
    table = tables.by_class(names, [column for _, column in columns])
    body = report_page.paragraph("Each run's best on val.") + table
    return [Section("classes", "Classes", body)], []


def _iou(run: Run, found) -> list[float]:
    values = run.history.iou(found.network, found.step)
    if not values and run.results is not None:
        values = run.results["best"]["val"]["iou"]
    return values
