"""The configs that come with the package, found by name from any folder."""

import importlib
import importlib.machinery
import importlib.util
import pathlib
import sys
import types

_HERE = pathlib.Path(__file__).resolve().parent
_FLAGS = ("--config", "-config")


def folder() -> pathlib.Path:
    """Where they lie: in an installed package, or in a checkout beside it."""
    installed = _HERE / "configs"
    return installed if installed.is_dir() else _HERE.parent / "configs"


def names() -> list[str]:
    """Their files' names."""
    files = sorted(folder().glob("*.py"))
    return [p.name for p in files if "def get_config(" in p.read_text("utf-8")]


def find(config: str) -> str:
    """`FILE[:ARGUMENT]` with the path of a file that exists.

    A file that is there is taken as it is. Else FILE, with or without
    `configs/` before it, is looked up among those of the package. After this,
    `from configs import common` inside the file finds the folder that the file
    lies in, or the package's where that holds no common.py.

    Raises:
      FileNotFoundError: there is none of either kind.
    """
    file, colon, argument = config.partition(":")
    path = pathlib.Path(file)
    if not path.is_file():
        name = file.removeprefix("configs/")
        if name not in names():
            raise FileNotFoundError(
                f"No config file at {file}, and none of that name comes with "
                f"the package; these do: {', '.join(names())}."
            )
        path = folder() / name
    _provide(path.resolve().parent)
    return f"{path}{colon}{argument}"


def in_arguments(argv: list[str]) -> list[str]:
    """A command line whose --config is as `find` says; argv[0] stays."""
    done = list(argv)
    for i, word in enumerate(done):
        flag, equals, value = word.partition("=")
        if flag in _FLAGS and equals:
            done[i] = f"{flag}={find(value)}"
        elif i and done[i - 1] in _FLAGS:
            done[i] = find(word)
    return done


def common() -> types.ModuleType:
    """The package's `configs.common`."""
    _provide(folder())
    return importlib.import_module("configs.common")


def _provide(home: pathlib.Path) -> None:
    """Makes `configs` the package whose files lie in a folder.

    Not left to sys.path: it may lead to a folder called configs of another
    project, and the installed package puts no such name into site-packages.
    """
    if not (home / "common.py").is_file():
        home = folder()
    loaded = sys.modules.get("configs")
    if loaded is not None and str(home) in map(str, loaded.__path__):
        return
    for name in [n for n in sys.modules if n.split(".")[0] == "configs"]:
        del sys.modules[name]
    spec = importlib.machinery.ModuleSpec("configs", None, is_package=True)
    spec.submodule_search_locations = [str(home)]
    sys.modules["configs"] = importlib.util.module_from_spec(spec)
