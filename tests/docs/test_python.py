"""docs/quickstart.ipynb and docs/api.md: their code runs as it stands."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from tests import fork_server, xla_flags
from tests.docs import photos

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs/quickstart.ipynb"
PAGE = (ROOT / "docs/api.md").read_text("utf-8")
# Fewer steps than a reader's, as many as the tutorial's: the same programs.
SHORTER = {
    '"train.steps": 300': '"train.steps": 8',
    '"train.steps": 40': '"train.steps": 8',
    '"train.eval_every": 100': '"train.eval_every": 4',
    '"train.eval_every": 20': '"train.eval_every": 4',
    "runs/quickstart": "runs/mine",
}


def notebook_code():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    return ["".join(cell["source"]) for cell in code]


def page_code():
    return re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.M)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What all of the code prints, run in order in one folder."""
    work = tmp_path_factory.mktemp("work")
    photos.make(work / "photos")
    code = "\n".join([*notebook_code(), *page_code()])
    for old, new in SHORTER.items():
        assert old in code, old
        code = code.replace(old, new)
    done = subprocess.run(
        [*fork_server.python(), "-c", code],
        cwd=work,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": xla_flags.QUICK},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return work, done.stdout


def test_the_notebook_and_the_page_run(printed):
    work, text = printed
    assert text.count("| mean (mIoU)") == 2
    assert text.count("\nbest checkpoint: runs/mine/checkpoints/") == 2
    assert len(re.findall(r"^stone: \d+% of the pixels$", text, re.M)) == 2
    page = (work / "runs/mine/report.html").read_text("utf-8")
    assert all(name in page for name in photos.CLASSES)
    loss, share = text.split()[-2:]
    assert 0 < float(loss) < 2
    assert float(share) == 1


def test_the_notebook_keeps_short_outputs():
    assert NOTEBOOK.stat().st_size < 50_000
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    outputs = [o for c in cells for o in c.get("outputs", [])]
    text = "".join(line for o in outputs for line in o.get("text", []))
    assert "| mean (mIoU)" in text
    assert all(str(name) in text for name in photos.CLASSES)
    assert any("image/png" in o.get("data", {}) for o in outputs)
    # Nothing of the machine that made them.
    assert not re.search(r"(^|\s)/\w", text)
