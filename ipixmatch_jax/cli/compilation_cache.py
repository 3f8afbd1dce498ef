"""Keeps compiled programs on disk, so that a restart need not compile again."""

import argparse
import hashlib
import os
import pathlib
import platform

import filelock
import platformdirs

HELP = (
    "folder for compiled programs, or 'off'; by default a folder of this "
    "user's cache, unless JAX_COMPILATION_CACHE_DIR names another one"
)
MOST = 4 * 2**30  # bytes; the least recently used programs go first
_LEAST = 0.5  # seconds that a program compiles, to be worth a file
_PATIENCE = 10  # seconds to wait for another process, as jax does
_DIRECTORY = "jax_compilation_cache_dir"


def keep_compiled_programs(choice: str | None = None) -> None:
    """Makes JAX keep what it compiles; call it before anything is compiled.

    jax's own environment variables count where they are set, and child
    processes inherit the choice. A folder that cannot be written is left out
    without an error: everything works without a cache, only slower.

    Args:
      choice: a folder, "off", or None for the default. The default is the
        user's cache folder by the platform's convention, with a part for each
        kind of processor, as a program compiled for one may not run on
        another.
    """
    if choice == "off":
        _set({"jax_enable_compilation_cache": False})
        return
    given = os.environ.get(_DIRECTORY.upper())
    if choice is None and given is not None:
        return
    folder = pathlib.Path(choice) if choice else _default_folder()
    try:
        _remove_unfinished(folder)
    except OSError:
        if choice:
            raise
        return
    _set(
        {
            _DIRECTORY: str(folder.absolute()),
            "jax_compilation_cache_max_size": MOST,
            "jax_persistent_cache_min_compile_time_secs": _LEAST,
        }
    )


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """Adds --compilation-cache DIR; see `keep_compiled_programs`."""
    parser.add_argument("--compilation-cache", metavar="DIR", help=HELP)


def _set(options: dict[str, str | int | float | bool]) -> None:
    """Sets options of jax for this process and its children."""
    import jax  # The commands that call this import it anyway.

    for name, value in options.items():
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)


def _default_folder() -> pathlib.Path:
    folder = platformdirs.user_cache_path("ipixmatch_jax") / "compiled"
    return folder / _name_processor()


def _name_processor() -> str:
    """A name that is the same for processors with the same instructions."""
    about = platform.machine() + platform.processor()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    about += next((x for x in lines if x.startswith(("flags", "Features"))), "")
    digest = hashlib.sha256(about.encode()).hexdigest()[:12]
    return f"{platform.machine()}-{digest}"


def _remove_unfinished(folder: pathlib.Path) -> None:
    """Makes the folder, and removes what a killed process left in it.

    jax writes a program, then its time of use; a program without the second
    may be cut off, and jax would never replace it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lockfile", timeout=_PATIENCE):
        for program in folder.glob("*-cache"):
            name = program.name.removesuffix("-cache")
            if not (folder / f"{name}-atime").exists():
                program.unlink()
