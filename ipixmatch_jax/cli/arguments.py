"""Parsers of the commands, their help, and how an error is told."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import NoReturn

from ipixmatch_jax.cli.commands import (
    COMMANDS,
    call_of,
    called,
    called_with_word,
)
from ipixmatch_jax.configuration.plugins import load_plugins
from ipixmatch_jax.utils.file_names import printable

_WIDTH = 78  # columns of a help text
_METAVARS = {
    "config": "FILE[:ARGUMENT]",
    "workdir": "DIR",
    "continue-from": "RUN[:best|last]",
    "grid": "AXIS",
    "plugin": "MODULE",
}


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, as every command does."""

    def error(self, message: str) -> NoReturn:
        """Ends the process with one line, without the usage before it."""
        words = printable(f"{self.prog}: {message}; --help shows all options.")
        print(" ".join(words.splitlines()), file=sys.stderr)
        sys.exit(2)


def parser(
    module: str, description: str = "", epilog: str = ""
) -> argparse.ArgumentParser:
    """A parser whose help ends with examples; no option can be abbreviated.

    Args:
      module: as in COMMANDS.
      description: more than the command's purpose, if need be.
      epilog: goes before the examples.
    """
    parser = _Parser(
        prog=called(module), **describe(module, (), description, epilog)
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="show the traceback of an error beside its sentence",
    )
    return parser


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Adds --plugin MODULE, which imports the module as it is read."""
    parser.add_argument(
        "--plugin",
        action="append",
        type=_import_plugin,
        metavar="MODULE",
        help="a module to import first, which registers methods, data sets "
        "or networks of your own; may be given several times",
    )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Adds --network, --checkpoint and --root, as `load_model` takes them."""
    parser.add_argument(
        "--network",
        choices=("best", "student", "teacher", "twin"),
        default="best",
        help="which network (default: the one that scored best on val)",
    )
    parser.add_argument(
        "--checkpoint",
        choices=("best", "last"),
        default="best",
        help="which checkpoint (default: %(default)s)",
    )
    parser.add_argument("--root", help="the data set's folder, if it moved")


def _import_plugin(module: str) -> str:
    try:
        load_plugins([module])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return module


def describe(
    module: str,
    words: tuple[str, ...],
    description: str = "",
    epilog: str = "",
) -> dict:
    """The texts of an ArgumentParser or of a sub-parser; see `parser`.

    Args:
      module: as in COMMANDS.
      words: that call the sub-parser; () for all of the module's commands.
      description: see `parser`.
      epilog: see `parser`.
    """
    rows = {
        name: command
        for name, command in COMMANDS.items()
        if command.module == module and command.words[: len(words)] == words
    }
    purpose = next(iter(rows.values())).purpose
    starts = [call_of(name) for name in rows]
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


def whole_number(word: str) -> int:
    """The type of an option that takes a whole number."""
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a whole number"
        ) from None


def end_with(module: str, sentence: str, code: int) -> NoReturn:
    """Ends the process with a sentence that begins with the command's call.

    Args:
      module: as in COMMANDS.
      sentence: what is wrong, and the way out.
      code: the exit code.
    """
    call = called_with_word(module)
    print(f"{call}: {printable(sentence)}", file=sys.stderr)
    sys.exit(code)


def print_flags(
    module: str, flags: Iterable, required: Sequence[str], epilog: str
) -> None:
    """Prints the help of a command with absl flags, as argparse lays it out.

    Args:
      module: as in COMMANDS.
      flags: absl Flags.
      required: names of those that must be given.
      epilog: see `parser`.
    """
    shown = parser(module, epilog=epilog)
    for flag in flags:
        if flag.name == "debug":  # `parser` has it already.
            continue
        shown.add_argument(
            f"--{flag.name}",
            required=flag.name in required,
            metavar=_metavar(flag),
            help=_default(flag),
        )
    shown.print_help()


def _metavar(flag) -> str:
    return _METAVARS.get(flag.name, flag.name.upper().split("_")[-1])


def _default(flag) -> str:
    # absl adds a line of its own to flags that can be repeated.
    words = flag.help.partition(";\n")[0].replace("%", "%%")
    given = flag.default not in (None, [])
    return f"{words} (default: {flag.default})" if given else words
