"""Commands that only read a run, on runs with odd or damaged files."""

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.checkpoints.manager import BrokenCheckpointError
from ipixmatch_jax.experiment import restore, score
from ipixmatch_jax.predict.workdir import predict_workdir
from ipixmatch_jax.report.build import write_report
from ipixmatch_jax.suggest.suggestions import suggest_images
from tests import two_convolutions  # noqa: F401 - registers the network
from tests.tiny_run import few_scenes

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def scenes(monkeypatch):
    few_scenes(monkeypatch)


def snapshot(workdir: pathlib.Path) -> dict[str, bytes | None]:
    """Every path below a workdir with its bytes; None for folders."""
    return {
        path.relative_to(workdir).as_posix(): (
            path.read_bytes() if path.is_file() else None
        )
        for path in sorted(workdir.rglob("*"))
    }


def add_odd_names(folder):
    for name in ("²", "06", "6 copy", "best", "٣"):
        shutil.copytree(folder / "6", folder / name)
    (folder / "notes.txt").write_text("mine")


def test_oddly_named_neighbours_change_nothing(copied, tmp_path):
    before = restore.restore_networks(copied, "last")
    best = restore.restore_networks(copied, "best").step
    add_odd_names(copied / "checkpoints")
    files = snapshot(copied)
    assert restore.restore_networks(copied, "best").step == best
    found = restore.restore_networks(copied, "last")
    assert found.step == 6
    jax.tree.map(
        np.testing.assert_array_equal, before.variables, found.variables
    )
    image = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(image)
    done = predict_workdir(copied, image, tmp_path / "out")
    assert done == (1, 0, 0)
    table = score.evaluate_workdir(copied, "last", None)
    assert table.endswith("last: after 6 steps")
    page = write_report([copied], tmp_path / "a.html", images=2).read_text()
    assert 'id="confusion-student"' in page
    assert len(suggest_images(copied, 2).names) == 2
    assert snapshot(copied) == files  # they only read


def put_a_file(folder):
    (folder / "8").write_text("a file")


def put_an_empty_folder(folder):
    (folder / "8").mkdir()


def put_folder_for_checksums(folder):
    (folder / "6/checksums.json").unlink()
    (folder / "6/checksums.json").mkdir()


def empty_the_checksums(folder):
    (folder / "6/checksums.json").write_text("{}")


def list_the_checksums(folder):
    (folder / "6/checksums.json").write_text("[1]")


def put_folder_for_meta(folder):
    (folder / "6/checksums.json").unlink()
    (folder / "6/meta/metadata").unlink()
    (folder / "6/meta/metadata").mkdir()


def change_the_kind_of_meta(folder):
    (folder / "6/checksums.json").unlink()
    (folder / "6/meta/metadata").write_text("3")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (put_a_file, "8 is broken .it is not a folder"),
        (put_an_empty_folder, "8 is broken .checksums.json and meta/metadata"),
        (put_folder_for_checksums, "6 is broken .checksums.json is not JSON"),
        (empty_the_checksums, "6 is broken .checksums.json does not list"),
        (list_the_checksums, "6 is broken .checksums.json does not list"),
        (put_folder_for_meta, "6 is broken .checksums.json and meta/metadata"),
        (change_the_kind_of_meta, "6 is broken .checksums.json and meta/met"),
    ],
)
def test_a_reader_stops_at_a_broken_checkpoint(copied, damage, words):
    damage(copied / "checkpoints")
    files = snapshot(copied)
    for which in ("best", "last"):
        with pytest.raises(BrokenCheckpointError, match=words) as error:
            restore.restore_networks(copied, which)
        assert "\n" not in str(error.value)
    assert snapshot(copied) == files


def test_checkpoints_that_were_renamed_are_named(copied):
    folder = copied / "checkpoints"
    for path in list(folder.iterdir()):
        path.rename(path.with_name(f"0{path.name}"))
    with pytest.raises(
        FileNotFoundError, match=r"no checkpoint, but .*06: the"
    ):
        restore.restore_networks(copied, "last")


def test_without_config_json_the_newest_checkpoint_says_it(copied, caplog):
    wanted = restore.restore_networks(copied, "last").config
    (copied / "config.json").unlink()
    found = restore.restore_networks(copied, "last")
    assert found.config == wanted
    assert "no config.json: the config in the newest is taken" in caplog.text
    shutil.rmtree(copied / "checkpoints")
    with pytest.raises(
        FileNotFoundError, match="is not the --workdir of a run"
    ):
        restore.restore_networks(copied, "last")


def test_a_config_of_another_optimiser_still_gives_the_networks(copied):
    path = copied / "config.json"
    fields = json.loads(path.read_text())
    fields["train"]["optimiser"] = "adam"
    path.write_text(json.dumps(fields))
    assert restore.restore_networks(copied, "last").step == 6
