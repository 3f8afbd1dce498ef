"""Compiled programs are kept where the user, jax or a convention says."""

import os
import pathlib
import subprocess
import sys

import filelock
import pytest

from ipixmatch_jax.cli import compilation_cache

# Compiles one program, and prints what jax says about the cache.
COMPILE = """
import sys
from ipixmatch_jax.cli import compilation_cache
compilation_cache._LEAST = 0.0
compilation_cache.keep_compiled_programs(*sys.argv[1:])
import jax, jax.numpy as jnp
hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event.rsplit("/", 1)[-1]))
assert jax.jit(lambda x: jnp.sin(x) @ x)(jnp.eye(3)).shape == (3, 3)
print(hits.count("cache_hits"), hits.count("cache_misses"))
"""


def start(*words, **env):
    env = {k: v for k, v in os.environ.items() if "COMPIL" not in k} | env
    return subprocess.Popen(
        [sys.executable, "-c", COMPILE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def count(process):
    """(programs found, programs compiled) of a process; it says no more."""
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    return tuple(map(int, out.split()))


def programs(folder):
    return sorted(folder.rglob("*-cache"))


@pytest.mark.slow
def test_two_processes_share_the_users_folder_and_a_third_finds_all(tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    first, second = start(**env), start(**env)
    (found, compiled), (also_found, also_compiled) = count(first), count(second)
    assert found + compiled == also_found + also_compiled > 0
    (folder,) = (tmp_path / "ipixmatch_jax/compiled").iterdir()
    assert programs(folder)
    # A program that a killed process left cut off is compiled once more.
    cut = programs(folder)[0]
    cut.write_bytes(cut.read_bytes()[:10])
    cut.with_name(cut.name.replace("-cache", "-atime")).unlink()
    assert count(start(**env)) == (found + compiled - 1, 1)
    assert count(start(**env)) == (found + compiled, 0)


@pytest.mark.slow
def test_it_can_be_moved_and_turned_off(tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path / "user")}
    jax_own = start(**env, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "jax"))
    option, off = start(str(tmp_path / "option"), **env), start("off", **env)
    for process in (jax_own, option, off):
        count(process)
    assert programs(tmp_path / "option")
    assert not programs(tmp_path / "user")
    # jax's own variable keeps jax's own smallest compile time.
    assert (tmp_path / "jax").is_dir()
    assert not (tmp_path / "user").exists()


@pytest.fixture
def options(monkeypatch):
    """What would be set, without setting it."""
    found = {}
    monkeypatch.setattr(compilation_cache, "_set", found.update)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return found


def test_it_has_a_limit_unless_jax_is_told_otherwise(
    options, tmp_path, monkeypatch
):
    compilation_cache.keep_compiled_programs(str(tmp_path))
    assert options["jax_compilation_cache_dir"] == str(tmp_path)
    assert options["jax_compilation_cache_max_size"] == 4 * 1024**3
    options.clear()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    compilation_cache.keep_compiled_programs()
    assert not options


def test_a_folder_that_cannot_be_made_is_an_error_only_if_named(
    options, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    compilation_cache.keep_compiled_programs()
    assert not options
    with pytest.raises(OSError, match="file"):
        compilation_cache.keep_compiled_programs(str(tmp_path / "file"))


def test_a_folder_that_another_process_holds_is_left_alone(
    options, tmp_path, monkeypatch
):
    monkeypatch.setattr(compilation_cache, "_PATIENCE", 0.01)
    folder = tmp_path / "held"
    folder.mkdir()
    with filelock.FileLock(folder / ".lockfile", is_singleton=False):
        monkeypatch.setattr(
            compilation_cache, "_default_folder", lambda: pathlib.Path(folder)
        )
        compilation_cache.keep_compiled_programs()
    assert not options
