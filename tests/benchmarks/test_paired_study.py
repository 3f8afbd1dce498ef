"""The second study's numbers, against ones worked out by hand."""

import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks import paired_figure, paired_runs, paired_study
from tests import fork_server

HEADER = "data,labels,arm,seed,commit,lock,test_last,val_last"


def write(path, *lines):
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


@pytest.fixture
def table(tmp_path):
    """Differences of 1, 2, 3 and 4 points, and a run without a partner."""
    return write(
        tmp_path / "runs.csv",
        "voc,50,host,100,c,l,30.0,1",
        "voc,50,term,100,c,l,31.0,2",
        "voc,50,term,101,c,l,34.0,3",
        "voc,50,host,101,c,l,32.0,4",
        "camvid,23,host,100,d,l,50.0,5",
        "camvid,23,term,100,d,l,53.0,6",
        "camvid,23,host,101,d,l,50.0,7",
        "camvid,23,term,101,d,l,54.0,8",
        "camvid,23,host,102,d,l,50.0,9",
    )


def run(*words):
    done = subprocess.run(
        [
            *(*fork_server.python(), "-m", "benchmarks.paired_study"),
            *map(str, words),
        ],
        cwd=pathlib.Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_holms_correction_by_hand():
    assert paired_study.holm([0.04, 0.01]) == [0.04, 0.02]
    assert paired_study.holm([0.03, 0.04]) == [0.06, 0.06]
    assert paired_study.holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.9, "helps"),
        (0.1, 0.4, r"helps; excludes \+0\.5"),
        (-0.9, -0.1, r"harms; excludes \+0\.5"),
        (-0.3, 0.4, r"neither .*; excludes \+0\.5"),
        (-0.3, 0.6, "neither .*; inconclusive"),
    ],
)
def test_what_an_interval_is_called(low, high, words):
    assert re.fullmatch(words, paired_study.verdict(low, high))


def test_a_study_from_its_table(table, tmp_path):
    figure = tmp_path / "figure.svg"
    code, text = run(
        table, "--host", "host", "--arm", "term=The term", "--figure", figure
    )
    assert code == 0, text
    assert "| all pairs | 4 | 40.50 | +2.50 | +0.45 to +4.55 | 1.29 " in text
    assert "| voc, 50 labels | 2 | 31.00 | +1.50 " in text
    assert "| camvid, 23 labels | 2 | 50.00 | +3.50 " in text
    assert "100: +3.00, 101: +4.00" in text
    assert "Without a partner: camvid 23 seed 102 (host)." in text
    assert "The term: helps." in text
    root = ElementTree.parse(figure).getroot()
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "The term: voc, 50 labels" in words
    assert "mIoU on test less the host's, points, 95 %" in words


def test_a_study_of_val(table):
    words = ("--host", "host", "--arm", "term", "--score", "val_last")
    code, text = run(table, *words)
    assert code == 0, text
    # 1, -1, 1 and 1.
    assert "| all pairs | 4 | 4.25 | +0.50 |" in text


def test_a_pair_that_is_missing_is_named(table):
    words = ("--host", "host", "--arm", "term", "--pairs", "5")
    code, text = run(table, *words)
    assert code == 1
    assert "4 pairs with host, not 5; without a partner: camvid 23 seed" in text


def test_an_arm_that_changes_nothing_is_told(tmp_path):
    path = write(
        tmp_path / "runs.csv",
        *(f"voc,50,{a},{s},c,l,30,2" for a in ("host", "term") for s in (0, 1)),
    )
    words = [str(path), "--host", "host", "--arm", "term"]
    with pytest.raises(ValueError, match=r"term .* by \+0\.00 in every pair"):
        paired_study.study(paired_study._parser().parse_args(words))


def test_a_cell_with_one_pair_has_no_interval(tmp_path):
    path = write(
        tmp_path / "runs.csv",
        "voc,50,host,0,c,l,30,2",
        "voc,50,term,0,c,l,31,2",
        "camvid,23,host,0,c,l,30,2",
        "camvid,23,term,0,c,l,32,2",
    )
    rows = paired_runs.read_rows([path], "test_last")
    pairs, _ = paired_runs.find_pairs(rows, "host", "term")
    text, bars = paired_study.markdown("term", pairs, 0.95)
    assert "| voc, 50 labels | 1 | 30.00 | +1.00 | - | - | - | - |" in text
    assert [bar.name for bar in bars] == ["term: all pairs"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("voc,50,term,100,c,l,31,2", r"line 3 is the same run as .*line 2"),
        ("voc,50,host,100,c,l,x,2", r"line 3: could not convert .*'x'"),
        ("voc,50,host,100,d,l,30,2", r"seed 100: the two runs differ in their"),
    ],
)
def test_rows_that_cannot_be_a_study(tmp_path, line, words):
    path = write(tmp_path / "runs.csv", "voc,50,term,100,c,l,31,2", line)
    with pytest.raises(ValueError, match=words):
        rows = paired_runs.read_rows([path], "test_last")
        paired_runs.find_pairs(rows, "host", "term")


def test_a_table_without_the_score(tmp_path):
    path = write(tmp_path / "runs.csv")
    with pytest.raises(ValueError, match=r"has no column test_best"):
        paired_runs.read_rows([path], "test_best")


def test_bars_lie_where_their_numbers_are():
    bars = [paired_figure.Bar("a<b", 0.5, 0.0, 1.0)]
    text = paired_figure.svg([*bars, paired_figure.Bar("c", -1, -2, 0)], "d")
    root = ElementTree.fromstring(text)
    circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    # The scale goes from -2 to 1.
    places = [(float(c.get("cx")) - 300) / 420 for c in circles]
    assert places == pytest.approx([2.5 / 3, 1 / 3], abs=1e-3)
    assert "a&lt;b" in text


def test_the_pages_say_what_the_runs_of_the_study_give(tmp_path):
    docs = pathlib.Path(__file__).resolve().parents[2] / "docs"
    figure = tmp_path / "figure.svg"
    arms = {"cell 6": "channel/correlation", "cell 11": "agents/kl"}
    words = [f"--arm={name}={shown}" for name, shown in arms.items()]
    code, text = run(
        docs / "ablation/confirm.csv",
        *("--host", "host", "--confidence", "0.975", "--figure", figure),
        *words,
    )
    assert code == 0, text
    assert figure.read_text() == (docs / "paired_study.svg").read_text()
    page = " ".join((docs / "ablation.md").read_text("utf-8").split())
    tables = re.findall(
        r"^\| all pairs \| (\d+) \| [\d.]+ \| (\S+) \| (\S+ to \S+) \|",
        text,
        re.M,
    )
    assert len(tables) == 2
    for pairs, mean, interval in tables:
        assert f"| {pairs} | 43." in page
        assert f"| **{mean}** | **{interval}** |" in page
    for name in ("../README.md", "inter_pixel_loss.md"):
        page = " ".join((docs / name).read_text("utf-8").split())
        assert f"by {tables[0][1]} points (97.5 % interval " in page
        assert tables[0][2] in page
    # So is what each data set gives.
    cells = re.findall(
        r"labels \| (\d+) \| ([\d.]+) \| (\S+) \| (\S+ to \S+) \|", text
    )
    assert len(cells) == 4
    described = (docs / "ablation.md").read_text("utf-8")
    for numbers in cells:
        assert f"| {' | '.join(numbers)} |" in described
    # Every seed's difference is printed.
    page = " ".join((docs / "ablation.md").read_text("utf-8").split())
    for seeds in re.findall(r"\| (100: [^|]*) \|", text):
        shown = re.sub(r"(?<!; seed )\b\d{3}: ", "", seeds)
        assert shown.rpartition(", ")[0] in page
