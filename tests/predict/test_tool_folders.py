"""Predictions leave aside what other programs put among the images."""

import logging
import os

from ipixmatch_jax.predict import files
from tests.data.own_folder import photograph, save


def test_thumbnails_and_copies_are_not_predicted(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "ipixmatch_jax")
    root = tmp_path / "photos"
    for name in ("a b.jpg", "deep/ü.JPG", "old.jfif"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph(0).save(path, "JPEG")
    save(root / ".ipynb_checkpoints/a b-checkpoint.jpg", photograph(1))
    save(root / "@eaDir/a b.jpg/SYNOPHOTO_THUMB_M.jpg", photograph(1))
    photograph(2).save(root / "iphone.heic", "PNG")
    os.mkfifo(root / "pipe.jpg")
    items = files.find_images(root, tmp_path / "out")
    assert sorted(item.name for item in items) == ["a b", "deep/ü", "old"]
    for said in (".ipynb_checkpoints", "@eaDir", "iphone.heic", "pipe.jpg"):
        assert said in caplog.text
