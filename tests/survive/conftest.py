"""One uninterrupted run, to copy and to compare with."""

import shutil

import pytest

from tests.survive.survive_run import run


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The workdir of six uninterrupted steps; tests must not change it."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    code, said = run(workdir)
    assert code == 0, said
    return workdir


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of that run, which the test may change."""
    return shutil.copytree(whole, tmp_path / "run")
