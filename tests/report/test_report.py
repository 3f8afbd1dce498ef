"""Reports without a browser: their data, charts and texts."""

import base64
import html.parser
import io
import json
import os
import re
import sys

import numpy as np
import plotly.graph_objects
import pytest
from PIL import Image

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.report import __main__ as report_main
from ipixmatch_jax.report import build, gallery, tables, templating
from ipixmatch_jax.report import charts as report_charts
from ipixmatch_jax.report.comparison_page import build_comparison_page
from ipixmatch_jax.report.run_files import read_runs
from ipixmatch_jax.report.run_page import build_run_page
from tests import golden
from tests.refusal import refusal
from tests.report import report_cases

pytestmark = pytest.mark.slow


def all_charts(tmp_path):
    """Every chart of a page, and of a comparison."""
    paths = [report_cases.write_run(tmp_path / name) for name in ("a", "b")]
    found = read_runs(paths)
    pages = [
        build_run_page(found[0], report_cases.val_result(), []),
        build_comparison_page(found),
    ]
    charts = []
    for page in pages:
        text = page.split('id="charts">')[1].split("</script>")[0]
        charts += json.loads(text).items()
    return charts


def test_plotly_knows_every_field_of_the_charts(tmp_path):
    charts = all_charts(tmp_path)
    keys = [key for key, _ in charts]
    for key in ("losses", "miou", "confident-by-class", "confusion-teacher"):
        assert key in keys
    for _, chart in charts:
        plotly.graph_objects.Figure(chart["data"], chart["layout"])


def test_rows_of_the_confusion_matrix_are_shares():
    counts = np.asarray([[3, 1, 0], [0, 0, 0], [5, 5, 990]])
    chart = report_charts.confusion("k", "t", "", counts, ["a", "a", "<b>"])
    (trace,) = chart.figure["data"]
    assert trace["z"] == [[0.75, 0.25, 0], [None] * 3, [0.005, 0.005, 0.99]]
    assert trace["text"][0] == ["75%", "25%", ""]
    assert trace["x"] == trace["y"] == ["a (0)", "a (1)", "&lt;b&gt;"]
    said = tables.list_mistakes(counts, ["a", "a", "<b>"], 2)
    assert "<b>25%</b> of a is taken for a" in said


def test_one_evaluation_has_an_axis_of_whole_steps():
    line = report_charts.Line("student", {300: 41.5}, 0)
    chart = report_charts.lines("k", "t", [line], percent=True)
    axis = chart.figure["layout"]["xaxis"]
    assert axis["range"] == [0, 600]
    assert axis["tickvals"] == [300]
    line = report_charts.Line("student", {300: 41.5, 301: 42.0}, 0)
    chart = report_charts.lines("k", "t", [line], percent=True)
    axis = chart.figure["layout"]["xaxis"]
    assert axis["tickvals"] == [300, 301]
    assert "range" not in axis


def luminance(colour):
    """Relative luminance of WCAG 2.2, of (red, green, blue) in 0..255."""
    linear = np.asarray(colour, float) / 255
    linear = np.where(
        linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4
    )
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_on_the_cells_of_a_matrix_can_be_read(scheme):
    css = templating.read_asset("page.css")
    colours = {}
    for name in ("ink", "share0", "share1", "share2", "share3"):
        text = re.findall(rf"--{name}: #(\w{{6}});", css)[scheme]
        colours[name] = [int(text[i : i + 2], 16) for i in (0, 2, 4)]
    stops = np.asarray([colours[f"share{i}"] for i in range(4)])
    ink = luminance(colours["ink"])
    for at in np.linspace(0, 3, 61):
        cell = [np.interp(at, range(4), stops[:, c]) for c in range(3)]
        low, high = sorted([ink, luminance(cell)])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_long_curves_are_thinned_and_keep_their_gaps():
    series = {step: step / 3 for step in range(1, 10001)}
    series[1] = float("nan")
    chart = report_charts.lines("k", "t", [report_charts.Line("a", series, 0)])
    (trace,) = chart.figure["data"]
    assert len(trace["x"]) == len(trace["y"]) == 2000
    assert (trace["x"][0], trace["x"][-1]) == (1, 10000)
    assert trace["y"][0] is None
    assert trace["y"][-1] == 3333.3


def picture(uri, kind):
    head, _, text = uri.partition(",")
    assert head == f"data:image/{kind};base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_pictures_are_shrunk_and_keep_their_colours():
    ids = np.zeros((700, 1280), np.uint8)
    ids[:, 640:] = 2
    ids[:350] = 255
    layer = picture(gallery.encode_ids(ids, report_cases.PALETTE), "png")
    assert (layer.mode, layer.size) == ("P", (640, 350))
    colours = np.asarray(layer.convert("RGB"))
    assert tuple(colours[349, 0]) == report_cases.PALETTE[0]
    assert tuple(colours[349, 639]) == report_cases.PALETTE[2]
    assert tuple(colours[0, 0]) == (224, 224, 224)
    for channels in (1, 2, 3, 4):
        image = np.full((700, 1280, channels), 90, np.uint8)
        photo = picture(gallery.encode_photo(image), "jpeg")
        assert (photo.mode, photo.size) == ("RGB", (640, 350))
        assert abs(np.asarray(photo).astype(int) - 90).max() <= 2


class _Tags(html.parser.HTMLParser):
    """Collects elements, links and visible text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.text = [""], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data):
        if self.tags[-1] not in ("script", "style"):
            self.text.append(data)


def test_names_given_by_a_user_stay_text(tmp_path):
    hostile = report_cases.HOSTILE
    names = (hostile, "b", f"x{hostile}", "d")
    config = {"data.split": hostile, "data.root": hostile, "method": hostile}
    paths = [
        report_cases.write_run(tmp_path / folder, names=names, **config)
        for folder in ("<b>one", "<script>two")
    ]
    found = read_runs(paths)
    verdict = report_cases.val_result(names, image_name=hostile + "{}")
    plain = report_cases.val_result()
    page = build_run_page(found[0], verdict, [f"note {hostile}"])
    both = build_comparison_page(found)
    for made, scripts in ((page, 4), (both, 4)):
        tags = _Tags(made)
        assert tags.tags.count("script") == scripts
        assert tags.tags.count("style") == 2
        assert hostile in " ".join(tags.text)
        assert all(v.startswith(("#", "data:")) for v in tags.links)
    usual = _Tags(build_run_page(found[0], plain, []))
    # Only the four elements of a note are added: the names make no element.
    assert len(_Tags(page).tags) == len(usual.tags) + 4
    assert "<b>one" in " ".join(usual.text)


def test_a_run_without_data_or_results_says_so(tmp_path, capsys):
    path = report_cases.write_run(tmp_path / "run", finished=False)
    text = " ".join(_Tags(build.build_page([path])).text)
    assert "logged 30 of 40 steps" in text
    assert "holds no checkpoint yet" in text
    config = {"data.name": "camvid", "data.root": str(tmp_path / "gone")}
    path = report_cases.write_run(tmp_path / "other", **config)
    text = " ".join(_Tags(build.build_page([path])).text)
    assert "No confusion matrix and no images: " in text
    assert str(tmp_path / "gone") in text
    assert "then give --root=DIR, unless DIR is" in text
    assert "No confusion matrix and no images: " in capsys.readouterr().err
    assert "36.5" not in text
    assert "41.5 %" in text  # (40 + 41 + 42 + 43) / 4


def test_a_run_without_any_log_has_a_page(tmp_path):
    path = report_cases.write_run(tmp_path / "run", finished=False)
    (path / "metrics.jsonl").unlink()
    text = " ".join(_Tags(build.build_page([path])).text)
    assert "nothing was logged" in text
    assert "inter_pixel." in text
    other = report_cases.write_run(tmp_path / "other")
    text = " ".join(_Tags(build.build_page([path, other])).text)
    assert "run: metrics.jsonl is missing" in text


def test_a_comparison_shows_the_fields_that_differ(tmp_path):
    one = report_cases.write_run(tmp_path / "x" / "run")
    two = report_cases.write_run(tmp_path / "y" / "run", seed=5)
    page = build.build_page([one, two])
    text = " ".join(_Tags(page).text)
    assert str(one) in text  # the folders share their name
    start = page.index('id="config"')
    rows = page[start : page.index("</section>", start)].count("<tr>")
    assert rows == 2  # the head, and the seed
    charts = json.loads(page.split('id="charts">')[1].split("</script>")[0])
    for key in ("miou-student", "miou-teacher", "loss", "loss-ip"):
        assert [t["meta"]["slot"] for t in charts[key]["data"]] == [0, 1]
    table = page[page.index('class="sortable"') :]
    assert table.count('aria-sort="none"') == 3  # the class and two runs


def test_wrong_workdirs_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not the --workdir of"):
        build.build_page([tmp_path])
    run = report_cases.write_run(tmp_path / "run")
    with pytest.raises(ValueError, match="given twice"):
        build.build_page([run, tmp_path / "x" / ".." / "run"])
    with pytest.raises(ValueError, match="--images -1 is below 0"):
        build.build_page([run], images=-1)
    (run / "results.json").write_text('{"best"')
    with pytest.raises(ValueError, match=r"run/results\.json is not whole"):
        build.build_page([run])


def test_a_colleagues_run_is_reported_into_another_folder(
    tmp_path, monkeypatch
):
    run = report_cases.write_run(tmp_path / "run")
    own, access = tmp_path / "own.html", os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != run and access(path, mode)
    )
    with pytest.raises(PermissionError, match=r"not write into .*run; .*--out"):
        build.write_report([run])
    assert build.write_report([run], own, images=0) == own


def test_a_name_that_is_not_utf_8_is_written_with_escapes(tmp_path):
    name = os.fsdecode(b"Stra\xdfe")
    run = report_cases.write_run(tmp_path / name, names=(name, "b", "c"))
    page = build.write_report([run], images=0).read_text(encoding="utf-8")
    assert "<h1>Stra\\xdfe" in page


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setattr(shapes, "TRAIN", 32)
    monkeypatch.setattr(shapes, "VAL", 3)
    monkeypatch.setattr(shapes, "TEST", 1)


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["report", *map(str, arguments)])
    report_main.run()


@pytest.mark.usefixtures("few_scenes")
def test_the_command_end_to_end(tmp_path, monkeypatch, capsys):
    workdir = report_cases.write_run(tmp_path / "run", names=shapes.CLASS_NAMES)
    config = saved.load_config(workdir)
    network = model_registry.build("tiny", 6)
    trees = {
        name: golden.random_variables(network, seed)
        for seed, name in enumerate(("student", "teacher"))
    }
    with Checkpoints(workdir) as checkpoints:
        best = Saved(50.0, 7, "teacher")
        checkpoints.save(7, trees, best, config.to_dict(), 50.0)
    capsys.readouterr()
    command(monkeypatch, "--workdir", workdir, "--images", 2)
    out = workdir / "report.html"
    assert capsys.readouterr().out.strip() == str(out)
    page = out.read_text(encoding="utf-8")
    assert not list(workdir.glob("*.partial"))
    assert page.count('class="picture"') == 2
    assert 'id="confusion-student"' in page
    assert 'aria-label="Not in this page"' not in page
    assert "Val, after 7 steps" in page
    # All of val is in the matrix; the scenes have no pixel to ignore.
    charts = json.loads(page.split('id="charts">')[1].split("</script>")[0])
    counts = charts["confusion-student"]["data"][0]["customdata"]
    assert np.sum(counts) == 3 * shapes.SIZE**2
    # With another output path and without the networks.
    other = tmp_path / "small.html"
    command(monkeypatch, f"--workdir={workdir}", f"--out={other}", "--images=0")
    assert 'class="picture"' not in other.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("workdir", "out", "sentence"),
    [
        ("run", "gone/x.html", "does not exist: make"),
        ("run", "run", "is a folder: name a file in it"),
        ("none", None, "is not the --workdir of a run"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_sentence(
    tmp_path, workdir, out, sentence
):
    report_cases.write_run(tmp_path / "run")
    path = None if out is None else tmp_path / out
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        build.write_report([tmp_path / workdir], path)


def test_the_module_runs_the_command(tmp_path):
    line = refusal("report", f"--workdir={tmp_path}")
    assert "is not the --workdir of a run" in line
