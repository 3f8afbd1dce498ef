"""The configs that come with the package, found by name from any folder."""

import pathlib

from ipixmatch_jax import configs

_FLAGS = ("--config", "-config")


def folder() -> pathlib.Path:
    """Where they lie: in an installed package, or in a checkout beside it."""
    return pathlib.Path(configs.__path__[0])


def names() -> list[str]:
    """Their files' names."""
    files = sorted(folder().glob("*.py"))
    return [p.name for p in files if "def get_config(" in p.read_text("utf-8")]


def find(config: str) -> str:
    """`FILE[:ARGUMENT]` with the path of a file that exists.

    A file that is there is taken as it is. Else FILE, with or without
    `configs/` before it, is looked up among those of the package.

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
