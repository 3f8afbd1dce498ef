"""The page of one run."""

from ipixmatch_jax.report import charts as report_charts
from ipixmatch_jax.report import facts, gallery
from ipixmatch_jax.report import page as report_page
from ipixmatch_jax.report import tables as report_tables
from ipixmatch_jax.report.charts import Chart, Line
from ipixmatch_jax.report.page import Section
from ipixmatch_jax.report.run import Run
from ipixmatch_jax.report.val_images import Verdict

_MISTAKES = 6


def page(run: Run, verdict: Verdict | None, notes: list[str]) -> str:
    """HTML of one run.

    Args:
      run: its workdir, read.
      verdict: on val, or None where the notes say why there is none.
      notes: sentences on what is missing, beside the run's own.
    """
    parts = [
        _progress(run),
        _pseudo_labels(run),
        _classes(run, verdict),
        _confusion(verdict),
        _pictures(verdict),
        _optimisation(run),
        _config(run),
    ]
    parts = [part for part in parts if part is not None]
    return report_page.document(
        run.name,
        report_page.paragraph(facts.about(run))
        + report_page.tiles(facts.facts(run)),
        [section for section, _ in parts],
        [chart for _, charts in parts for chart in charts],
        [*run.notes, *notes],
    )


def _progress(run: Run) -> tuple[Section, list[Chart]] | None:
    """Losses, and the scores on val."""
    history, charts = run.history, []
    losses = [
        Line(name, history.series[name], *report_charts.style(i))
        for i, name in enumerate(history.losses)
    ]
    if losses:
        says = "The total as it is minimised, and its terms before weighting."
        charts.append(
            report_charts.lines(
                "losses", "Losses", losses, says=says, can_log=True
            )
        )
    scores = [
        Line(name, history.miou(name), *report_charts.style(i))
        for i, name in enumerate(history.networks)
    ]
    if scores:
        title, says = "mIoU on val", "Of all val images, in percent."
        charts.append(
            report_charts.lines("miou", title, scores, says=says, percent=True)
        )
    if not charts:
        return None
    return Section("progress", "Curves", report_page.grid(charts)), charts


def _pseudo_labels(run: Run) -> tuple[Section, list[Chart]] | None:
    """How many pixels the teacher is sure of."""
    series, charts = run.history.series, []
    titles = {
        "confident_share": "all pixels",
        "inter_pixel_share": "used by the inter-pixel term",
    }
    shares = [
        Line(title, _percent(series[name]), *report_charts.style(i))
        for i, (name, title) in enumerate(titles.items())
        if name in series
    ]
    if shares:
        title, says = "Confident share", "Pixels of unlabelled images."
        charts.append(
            report_charts.lines(
                "confident", title, shares, says=says, percent=True
            )
        )
    by_class = series.get("confident_share_by_class")
    if by_class:
        names = run.names(len(next(iter(by_class.values()))))
        says = (
            "Of the pixels that are given a class, those above the threshold."
        )
        charts.append(
            report_charts.share_by_class(
                "confident-by-class",
                "Confident share per class",
                says,
                by_class,
                names,
            )
        )
    if not charts:
        return None
    body = report_page.grid(charts)
    return Section("pseudo-labels", "Pseudo-labels", body), charts


def _percent(series):
    return {step: 100 * value for step, value in series.items()}


def _classes(
    run: Run, verdict: Verdict | None
) -> tuple[Section, list[Chart]] | None:
    """The table of IoU per class."""
    found, columns = facts.best(run), []
    for network in run.history.networks if found else ():
        values = run.history.iou(network, found.step)
        if values:
            mean = run.history.miou(network)[found.step]
            title = f"{network}, val"
            columns.append(report_tables.Column(title, values, mean))
    for subset in ("val", "test") if run.results else ():
        scores = run.results["best"].get(subset)
        if scores and not (columns and subset == "val"):
            title = f"{run.results['best']['network']}, {subset}"
            column = title, scores["iou"], scores["miou"]
            columns.append(report_tables.Column(*column))
    if not columns:
        return None
    names, marks = run.names(len(columns[0].values)), ()
    if verdict is not None and len(verdict.class_names) == len(names):
        columns.append(_pixels(verdict))
        marks = [gallery.swatch(c) for c in verdict.palette]
    body = report_page.paragraph(
        f"After {found.step:,} steps, the best on val."
    )
    body += report_tables.by_class(names, columns, marks)
    return Section("classes", "Classes", body), []


def _pixels(verdict: Verdict) -> report_tables.Column:
    counts = next(iter(verdict.confusions.values())).sum(1)
    shares = 100 * counts / max(counts.sum(), 1)
    return report_tables.Column("share of val", shares.tolist(), None)


def _confusion(
    verdict: Verdict | None,
) -> tuple[Section, list[Chart]] | None:
    """A matrix per network, the better one's mistakes in words."""
    if verdict is None:
        return None
    order = sorted(verdict.confusions, key=lambda n: n != verdict.better)
    charts = [
        report_charts.confusion(
            f"confusion-{name}",
            name.capitalize(),
            "",
            verdict.confusions[name],
            verdict.class_names,
        )
        for name in order
    ]
    said = report_tables.mistakes(
        verdict.confusions[verdict.better], verdict.class_names, _MISTAKES
    )
    intro = (
        f"Val, after {verdict.step:,} steps: each row shows what the pixels "
        f"of a class are taken for. The {verdict.better} is the better one"
    )
    intro += "; its largest mistakes:" if said else "."
    body = report_page.paragraph(intro) + said + report_page.grid(charts)
    return Section("confusion", "Confusion", body), charts


def _pictures(
    verdict: Verdict | None,
) -> tuple[Section, list[Chart]] | None:
    """The worst and the best images of val."""
    if verdict is None or not verdict.worst:
        return None
    intro = (
        f"Val images by the {verdict.better}'s IoU after {verdict.step:,} "
        "steps, the mean over the classes in the image's truth; these follow "
        "the name, the lowest first. Drag the line."
    )
    body = report_page.paragraph(intro)
    body += gallery.legend(verdict.class_names, verdict.palette)
    body += gallery.gallery(verdict)
    return Section("images", "Worst and best images", body), []


def _optimisation(run: Run) -> tuple[Section, list[Chart]] | None:
    titles = {
        "learning_rate": "Learning rate",
        "grad_norm": "Norm of the gradient",
        "steps_per_second": "Steps per second",
    }
    charts = [
        report_charts.lines(
            name.replace("_", "-"),
            title,
            [Line(title, run.history.series[name], 0)],
            can_log=name == "grad_norm",
        )
        for name, title in titles.items()
        if name in run.history.series
    ]
    if not charts:
        return None
    body = report_page.grid(charts)
    return Section("optimisation", "Optimisation and speed", body), charts


def _config(run: Run) -> tuple[Section, list[Chart]]:
    """Versions, where they were stored, and every field."""
    groups: dict[str, list] = {"": []}
    for field, value in run.config.items():
        group, _, name = field.rpartition(".")
        groups.setdefault(group, []).append((name, value))
    tables = [
        report_tables.plain(
            (f"{group}." if group else "config", ""), rows, group
        )
        for group, rows in groups.items()
    ]
    made_with = facts.made_with(run)
    if made_with:
        rows = list(made_with.items())
        table = report_tables.plain(("made with", ""), rows, "Versions")
        tables.insert(0, table)
    body = f'<div class="configs">{"".join(tables)}</div>'
    return Section("run", "Config and versions", body), []
