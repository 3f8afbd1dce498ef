"""The page of one run."""

from collections.abc import Sequence

from markupsafe import Markup

from ipixmatch_jax.report import charts as report_charts
from ipixmatch_jax.report.charts import Chart, Line
from ipixmatch_jax.report.document import (
    Section,
    chart_section,
    render_charts,
    render_document,
)
from ipixmatch_jax.report.gallery import render_gallery
from ipixmatch_jax.report.metrics_log import Series
from ipixmatch_jax.report.run_files import Run
from ipixmatch_jax.report.run_summary import (
    describe_run,
    find_best,
    list_facts,
    read_versions,
)
from ipixmatch_jax.report.tables import (
    Column,
    class_table,
    list_mistakes,
    plain_table,
)
from ipixmatch_jax.report.templating import paragraph, render, rgb, swatch
from ipixmatch_jax.report.val_evaluation import ValResult
from ipixmatch_jax.utils.loss_names import loss_name

_MISTAKES = 6  # that are named


def build_run_page(
    run: Run,
    result: ValResult | None,
    notes: Sequence[str],
    cautions: Sequence[str] = (),
) -> str:
    """HTML of one run.

    Args:
      run: what its files hold.
      result: on val; None where the notes say why there is none.
      notes: sentences on what is missing, beside the run's own.
      cautions: sentences on why its numbers may mislead.
    """
    parts = [
        _progress(run),
        _pseudo_labels(run),
        _classes(run, result),
        _confusion(result),
        _images(result),
        _optimisation(run),
        _config(run),
    ]
    return render_document(
        run.name,
        paragraph(describe_run(run))
        + render("tiles.html", facts=list_facts(run)),
        [section for section in parts if section is not None],
        [*run.notes, *notes],
        cautions,
    )


def _progress(run: Run) -> Section | None:
    """Losses, and the scores on val."""
    history, charts = run.history, []
    losses = [
        Line(loss_name(name), history.series[name], *report_charts.style(i))
        for i, name in enumerate(history.losses)
    ]
    if losses:
        says = "The total that is minimised, and its terms before weighting."
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
        title, says = "mIoU on val", "Over all val images, in percent."
        charts.append(
            report_charts.lines("miou", title, scores, says=says, percent=True)
        )
    return chart_section("progress", "Curves", charts) if charts else None


def _pseudo_labels(run: Run) -> Section | None:
    """How many pixels have a pseudo-label."""
    charts = [_confident_chart(run), _confident_by_class_chart(run)]
    found = [chart for chart in charts if chart is not None]
    if not found:
        return None
    return chart_section("pseudo-labels", "Pseudo-labels", found)


def _confident_chart(run: Run) -> Chart | None:
    titles = {
        "confident_share": "all pixels",
        "inter_pixel_share": "used by the inter-pixel term",
    }
    shares = [
        Line(title, _percent(run.history.series[name]), *report_charts.style(i))
        for i, (name, title) in enumerate(titles.items())
        if name in run.history.series
    ]
    if not shares:
        return None
    says = "Unlabelled pixels whose label is at or above the threshold."
    return report_charts.lines(
        "confident", "Confident share", shares, says=says, percent=True
    )


def _confident_by_class_chart(run: Run) -> Chart | None:
    by_class = run.history.series.get("confident_share_by_class")
    if not by_class:
        return None
    names = run.names(len(next(iter(by_class.values()))))
    says = (
        "Of the pixels predicted as a class, the share at or above the "
        "threshold."
    )
    return report_charts.share_by_class(
        "confident-by-class",
        "Confident share per class",
        says,
        by_class,
        names,
    )


def _percent(series: Series) -> Series:
    return {step: 100 * value for step, value in series.items()}


def _classes(run: Run, result: ValResult | None) -> Section | None:
    """The table of IoU per class."""
    found = find_best(run)
    if found is None:
        return None
    columns = _logged_columns(run, found.step)
    columns += _final_columns(run, with_val=not columns)
    if not columns:
        return None
    names = run.names(len(columns[0].values))
    marks: list[Markup] = []
    if result is not None and len(result.class_names) == len(names):
        columns.append(_share_column(result))
        marks = [swatch(rgb(colour)) for colour in result.palette]
    body = paragraph(f"After {found.step:,} steps, the best on val.")
    body += class_table(names, columns, marks)
    return Section("classes", "Classes", body)


def _logged_columns(run: Run, step: int) -> list[Column]:
    """IoU on val of every network, from metrics.jsonl."""
    columns = []
    for network in run.history.networks:
        values = run.history.iou(network, step)
        mean = run.history.miou(network).get(step)
        if values:
            columns.append(Column(f"{network}, val", values, mean))
    return columns


def _final_columns(run: Run, with_val: bool) -> list[Column]:
    """IoU of the best checkpoint, from results.json."""
    if run.results is None:
        return []
    best = run.results["best"]
    subsets = ("val", "test") if with_val else ("test",)
    return [
        Column(
            f"{best['network']}, {subset}",
            best[subset]["iou"],
            best[subset]["miou"],
        )
        for subset in subsets
        if subset in best
    ]


def _share_column(result: ValResult) -> Column:
    counts = next(iter(result.confusions.values())).sum(1)
    shares = 100 * counts / max(counts.sum(), 1)
    return Column("share of val", shares.tolist(), None)


def _confusion(result: ValResult | None) -> Section | None:
    """A matrix per network, and the better one's mistakes in words."""
    if result is None:
        return None
    order = sorted(result.confusions, key=lambda n: n != result.better)
    charts = [
        report_charts.confusion(
            f"confusion-{name}",
            name.capitalize(),
            "",
            result.confusions[name],
            result.class_names,
        )
        for name in order
    ]
    mistakes = list_mistakes(
        result.confusions[result.better], result.class_names, _MISTAKES
    )
    intro = (
        f"Val, after {result.step:,} steps: each row shows what the pixels "
        f"of a class are predicted as. The {result.better} has the higher "
        "mIoU"
    )
    intro += "; its largest mistakes:" if mistakes else "."
    body = paragraph(intro) + mistakes + render_charts(charts)
    return Section("confusion", "Confusion", body, charts)


def _images(result: ValResult | None) -> Section | None:
    """The worst and the best images of val."""
    if result is None or not result.worst:
        return None
    intro = (
        f"Val images by the IoU of the {result.better} after {result.step:,} "
        "steps, averaged over the classes in the image's truth. The IoU of "
        "each of these classes follows the name, the lowest first. Drag the "
        "line to compare."
    )
    body = paragraph(intro) + render_gallery(result)
    return Section("images", "Worst and best images", body)


def _optimisation(run: Run) -> Section | None:
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
    return chart_section("optimisation", "Optimisation and speed", charts)


def _config(run: Run) -> Section:
    """Versions, if they were stored, and every field."""
    groups: dict[str, list] = {"": []}
    for field, value in run.config.items():
        group, _, name = field.rpartition(".")
        groups.setdefault(group, []).append((name, value))
    tables = [
        plain_table((f"{group}." if group else "config", ""), rows, group)
        for group, rows in groups.items()
    ]
    versions = read_versions(run)
    if versions:
        rows = list(versions.items())
        tables.insert(0, plain_table(("made with", ""), rows, "Versions"))
    body = render("configs.html", tables=tables)
    return Section("run", "Config and versions", body)
