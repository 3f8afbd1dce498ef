"""A page repeats what was said before training of its scores."""

import numpy as np
import pytest

from ipixmatch_jax.report import build
from tests.data import own_folder
from tests.report import report_cases

NAMES = tuple(f"class {k}" for k in range(4))


@pytest.fixture
def workdir(tmp_path):
    """A run on a folder whose val is one image."""
    root = tmp_path / "data"
    own_folder.make(
        root, draw=lambda ids: own_folder.grey(ids + (ids == 2))
    )  # The ids 0, 1 and 3: there are four classes.
    own_folder.make(root / "val", 1, 1, draw=own_folder.grey)
    fields = {
        "data.name": "folder",
        "data.root": str(root),
        "data.split": "",
        "model.num_classes": 4,
        "inter_pixel.weight": 0.5,
        "inter_pixel.warmup_steps": 160,
    }
    return report_cases.write_run(tmp_path / "run", names=NAMES, **fields)


def test_warmup_a_single_val_image_and_an_absent_class(workdir, monkeypatch):
    result = report_cases.val_result(NAMES)
    counts = {k: np.array(v) for k, v in result.confusions.items()}
    for matrix in counts.values():
        matrix[3] = 0
    result = result._replace(confusions=counts)
    monkeypatch.setattr(build, "_evaluate", lambda *_: result)
    page = build.build_page([workdir])
    start = page.index('aria-label="Cautions"')
    said = page[start : page.index("</aside>", start)]
    assert "warmup_steps=160 is longer than the run of" in said
    assert "ends at 25% of" in said
    assert "Val is a single image, val/images/0.jpg" in said
    assert "No val image shows &#39;class 3&#39;" in said


def test_a_run_without_them_has_no_such_box(tmp_path):
    fields = {"inter_pixel.warmup_steps": 40}
    run = report_cases.write_run(tmp_path / "run", **fields)
    assert 'aria-label="Cautions"' not in build.build_page([run], images=0)
