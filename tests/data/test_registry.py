"""The table of data sets, and what follows from it."""

import fractions
import pathlib
import re

import pytest

import ipixmatch_jax.data
from ipixmatch_jax.data.data_set_kind import DataSetKind, OwnLists
from ipixmatch_jax.data.datasets import folder
from ipixmatch_jax.data.prepare.pack import pack_data_set, packable_names
from ipixmatch_jax.data.registry import DATASETS, open_data, options
from ipixmatch_jax.data.splits import draw, own_lists
from tests.data import own_folder as own


@pytest.fixture
def _pond(monkeypatch):
    """A data set that is registered from outside the package."""
    kind = DataSetKind(
        open=lambda root, splits_dir, split, **how: folder.open_set(
            root, "", "", **how
        ),
        options=("holdout",),
        own_lists=OwnLists(
            "pond.txt (Pond)",
            lambda root: (root / "pond.txt").is_file(),
            lambda root: ([("a.jpg", "a.png")] * 4, [("b.jpg", "b.png")]),
        ),
        open_contents=folder.open_contents,
    )
    monkeypatch.setattr(DATASETS, "_members", dict(DATASETS._members))
    monkeypatch.setattr(DATASETS, "_modules", dict(DATASETS._modules))
    DATASETS.register("pond", kind)


@pytest.mark.usefixtures("_pond")
def test_a_registered_data_set_is_opened_packed_and_drawn_from(tmp_path):
    root = own.make(tmp_path / "root", 8, 5)
    assert options("pond") == ("holdout",)
    assert len(open_data("pond", str(root), "", "", holdout=0.4).val) == 2
    assert "pond" in packable_names()
    target, counts = pack_data_set("pond", root, tmp_path / "out")
    assert target.parent.name == "pond_segmentation"
    assert counts == {"train": 4, "unlabelled": 3, "val": 1}
    assert "pond.txt (Pond)" in own_lists.layouts()
    (root / "pond.txt").touch()
    share = fractions.Fraction(1, 4)
    assert draw.draw_splits(root, share, 0, tmp_path / "lists") == (1, 3)


def test_an_unknown_data_set_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'vocc'.*voc, .*Did you mean 'voc'"):
        options("vocc")


# The exports of label tools in COCO's format, and a field of LabelMe's files.
OTHER_THINGS = (("coco", "foreign_layouts.py"), ("shapes", "labelme.py"))


def test_the_name_of_a_data_set_is_written_in_its_own_file_only():
    package = pathlib.Path(ipixmatch_jax.data.__file__).parent
    for name in DATASETS:
        # A folder of the archive may be called as the data set is.
        literal = re.compile(f"""["']{name}["']""")
        for path in package.rglob("*.py"):
            if (name, path.name) in OTHER_THINGS:
                continue
            if path.name not in ("registry.py", f"{name}.py"):
                assert not literal.search(path.read_text()), (name, path)
