"""The commands by name, and what their `--help` says."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Sequence

from ipixmatch_jax.cli.commands import COMMANDS, NAME

_WIDTH = 78  # columns of a help text


def by_name() -> bool:
    """Whether this process was started as `ipixmatch ...`."""
    return sys.argv[0].split(" ")[0] == NAME


def called(module: str) -> str:
    """How this process's command is called: by name, or with `python -m`."""
    return sys.argv[0] if by_name() else f"python -m {module}"


def parser(
    module: str, description: str = "", epilog: str = ""
) -> argparse.ArgumentParser:
    """A parser whose help ends with examples; no option can be abbreviated.

    Args:
      module: as in COMMANDS.
      description: more than the command's purpose, if need be.
      epilog: goes before the examples.
    """
    return argparse.ArgumentParser(
        prog=called(module), **said(module, (), description, epilog)
    )


def said(
    module: str,
    words: tuple[str, ...],
    description: str = "",
    epilog: str = "",
) -> dict:
    """What an ArgumentParser, or a sub-parser of one, says; see `parser`.

    Args:
      module: as in COMMANDS.
      words: the sub-parser's; () for all of the module's commands.
      description: see `parser`.
      epilog: see `parser`.
    """
    rows = {
        name: command
        for name, command in COMMANDS.items()
        if command.module == module and command.words[: len(words)] == words
    }
    purpose = next(iter(rows.values())).purpose
    starts = [
        f"{NAME} {name}"
        if by_name()
        else " ".join(["python -m", module, *command.words])
        for name, command in rows.items()
    ]
    examples = [
        f"  {start} {command.example}".rstrip()
        for start, command in zip(starts, rows.values(), strict=True)
    ]
    above = [textwrap.fill(epilog, _WIDTH)] if epilog else []
    return {
        "description": textwrap.fill(
            description or f"{purpose[0].upper()}{purpose[1:]}.", _WIDTH
        ),
        "epilog": "\n\n".join([*above, "\n".join(["For example:", *examples])]),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def print_flags(
    module: str, flags: Iterable, required: Sequence[str], epilog: str
) -> None:
    """The help of a command whose flags are absl's, as the others' looks.

    Args:
      module: as in COMMANDS.
      flags: absl Flags.
      required: names of those that must be given.
      epilog: see `parser`.
    """
    drawn = parser(module, epilog=epilog)
    for flag in flags:
        drawn.add_argument(
            f"--{flag.name}",
            required=flag.name in required,
            metavar=_metavar(flag),
            help=_default(flag),
        )
    drawn.print_help()


def _metavar(flag) -> str:
    special = {"config": "FILE[:ARGUMENT]", "workdir": "DIR", "grid": "AXIS"}
    return special.get(flag.name, flag.name.upper().split("_")[-1])


def _default(flag) -> str:
    # absl adds a line of its own to flags that can be repeated.
    words = flag.help.partition(";\n")[0].replace("%", "%%")
    given = flag.default not in (None, [])
    return f"{words} (default: {flag.default})" if given else words
