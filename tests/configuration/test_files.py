"""Config files are found by name, and another program's is not run."""

import pathlib

import pytest

from ipixmatch_jax.configuration import files


def test_a_file_that_is_not_a_config_does_not_hide_the_packages(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("folder.py").write_text("raise SystemExit('this was run')")
    with pytest.raises(ValueError) as error:
        files.load_file("folder.py:tiny")
    sentence = str(error.value)
    assert f"{tmp_path}/folder.py defines no get_config" in sentence
    assert "write configs/folder.py for the package's" in sentence
    config = files.load_file("configs/folder.py:tiny")
    assert config.model.backbone == "tiny"
