"""Videos beside images through `predict`: which files, and what they show."""

import logging

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.predict import files, video_files
from ipixmatch_jax.predict import workdir as predict_run
from ipixmatch_jax.predict.files import Item
from ipixmatch_jax.predict.model import load_model
from ipixmatch_jax.utils.errors import RunError
from tests import untrained_run
from tests.predict import clips

CLIP, PHOTO = Item("in/a.MOV", "a"), Item("in/b.png", "b")
WORDS = (("overlays",), "masks")


def test_a_folder_holds_both(tmp_path, monkeypatch):
    monkeypatch.setattr(video_files, "is_installed", lambda: True)
    for name in (
        "a.MOV",
        "a.png",
        "b/c.webm",
        "notes.txt",
        "out/overlays/a.mp4",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    items = files.find_images(tmp_path, tmp_path / "out")
    assert [item.name for item in items] == ["a", "a", "b/c"]
    found = video_files.split_off(items, *WORDS, named=False)
    assert [item.path[-6:] for item in found.videos] == ["/a.MOV", "c.webm"]
    assert [item.path[-6:] for item in found.images] == ["/a.png"]


def test_videos_with_one_output_are_refused(tmp_path):
    for name in ("a.mov", "a.mp4"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"would be written to a\.mp4: rename"):
        files.find_images(tmp_path, tmp_path / "out")
    out = tmp_path / "out"
    (out / "overlays").mkdir(parents=True)
    (out / "overlays/c.mp4").touch()
    with pytest.raises(
        ValueError, match="would be overwritten: choose another"
    ):
        files.find_images(out / "overlays/c.mp4", out)


@pytest.mark.parametrize(
    ("kinds", "label_format", "message"),
    [
        ((), "masks", "--no-overlay leaves nothing to write: add --confidence"),
        (("overlays",), "cvat", "the format cvat holds images only: leave"),
    ],
)
def test_videos_without_an_output(kinds, label_format, message, caplog):
    split = video_files.split_off
    with pytest.raises(
        ValueError, match=rf"in/a\.MOV is a video, and {message}"
    ):
        split([PHOTO, CLIP], kinds, label_format, named=True)
    with caplog.at_level(logging.WARNING):
        found = split([PHOTO, CLIP], kinds, label_format, named=False)
    assert found == ([], [PHOTO])
    assert f"1 video left aside, the first in/a.MOV: {message}" in caplog.text


def test_without_the_extra(monkeypatch, caplog):
    def refuse(path):
        raise RunError(path)

    monkeypatch.setattr(video_files, "import_av", refuse)
    monkeypatch.setattr(video_files, "is_installed", lambda: False)
    split = video_files.split_off
    for items, named in (([CLIP], False), ([PHOTO, CLIP], True)):
        with pytest.raises(RunError, match=r"in/a\.MOV"):
            split(items, *WORDS, named=named)
    with caplog.at_level(logging.WARNING):
        found = split([PHOTO, CLIP], *WORDS, named=False)
    assert found == ([], [PHOTO])
    assert "videos need PyAV, which `pip install" in caplog.text


@pytest.mark.slow
def test_each_frame_is_predicted_as_an_image(tmp_path, capsys):
    pytest.importorskip("av")
    run = untrained_run.write_run(tmp_path / "run")
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    # More frames than two batches of four, the last of them not full.
    clips.write_clip(folder / "a.mov", range(9), audio="aac")
    Image.fromarray(clips.scene(0)).save(folder / "a.png")
    (folder / "bad.mp4").write_bytes(b"no video" * 99)
    words = (run, folder, out)
    kinds = ("overlays", "confidence")
    done = predict_run.predict_workdir(*words, kinds=kinds)
    assert done == (2, 0, 1)
    assert "skipped: " in capsys.readouterr().err
    written = sorted(path.name for path in (out / "overlays").iterdir())
    assert written == ["a.mp4", "a.png"]

    old, new = (
        clips.read_clip(p) for p in (folder / "a.mov", out / "overlays/a.mp4")
    )
    grey = clips.read_clip(out / "confidence/a.mp4")
    assert (new.times, new.rate, new.audio) == (old.times, old.rate, "aac")
    assert grey.times == old.times and grey.audio is None
    model = load_model(run)
    apart = []
    for image, overlay in zip(old.pictures, new.pictures, strict=True):
        shown = model.overlay(image, model.predict(image))
        apart.append(np.abs(overlay.astype(float) - shown).mean())
    assert max(apart) < 8
    shares = model.probabilities(old.pictures[8]).max(-1)
    assert np.abs(grey.pictures[8, ..., 0] / 255 - shares).mean() < 0.02

    before = (out / "overlays/a.mp4").stat().st_mtime_ns
    assert predict_run.predict_workdir(*words, kinds=kinds) == (0, 2, 1)
    assert (out / "overlays/a.mp4").stat().st_mtime_ns == before
