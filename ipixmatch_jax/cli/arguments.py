"""The commands by name, and what their `--help` says."""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NAME = "ipixmatch"
_WIDTH = 78  # columns of a help text


class Command(NamedTuple):
    """One command.

    Attributes:
      module: it is also run as `python -m <module> <words>`.
      words: that the module's own command line begins with.
      purpose: one line.
      example: what may follow the command's name.
    """

    module: str
    words: tuple[str, ...]
    purpose: str
    example: str


COMMANDS = {
    "check": Command(
        "ipixmatch_jax.data.check",
        (),
        "looks at every image and mask, and says what to fix",
        "--config folder.py:tiny --config.data.root=DIR",
    ),
    "train": Command(
        "ipixmatch_jax.main",
        (),
        "trains from a config file, and continues a run that stopped",
        "--config folder.py:tiny --config.data.root=DIR --workdir runs/mine",
    ),
    "report": Command(
        "ipixmatch_jax.report",
        (),
        "shows one run or several as one HTML page",
        "--workdir runs/mine",
    ),
    "predict": Command(
        "ipixmatch_jax.predict",
        (),
        "predicts images, or writes a network for use without this package",
        "--workdir runs/mine --images PATH --out predicted",
    ),
    "suggest": Command(
        "ipixmatch_jax.suggest",
        (),
        "says which unlabelled images to label next",
        "--workdir runs/mine -n 20",
    ),
    "evaluate": Command(
        "ipixmatch_jax.evaluate",
        (),
        "scores a run's checkpoint, or weights of others",
        "--workdir runs/mine",
    ),
    "compare": Command(
        "ipixmatch_jax.compare",
        (),
        "puts finished runs into one table",
        "host=runs/a IPixMatch=runs/b,runs/c",
    ),
    "sweep": Command(
        "ipixmatch_jax.sweep",
        (),
        "trains a grid of configs, and writes one table",
        "--config shapes.py --grid inter_pixel.weight=0,0.1 "
        "--grid seed=0,1,2 --workdir runs/sweep",
    ),
    "prepare": Command(
        "ipixmatch_jax.data.prepare",
        (),
        "packs a data set into ArrayRecord files, once",
        "folder --source DIR --out PACKED",
    ),
    "splits": Command(
        "ipixmatch_jax.data.splits",
        (),
        "gets lists of labelled and unlabelled images",
        "make --root DIR --labelled 1/8 --seed 0 --out data/splits/mine",
    ),
    "convert": Command(
        "ipixmatch_jax.models.pretrained",
        ("convert",),
        "turns PyTorch weights of others into a file of ours",
        "resnet101.pth --to resnet101.safetensors",
    ),
    "export": Command(
        "ipixmatch_jax.models.pretrained",
        ("export",),
        "turns our weights into a file for PyTorch",
        "runs/mine --to ours.pth",
    ),
    "fields": Command(
        "ipixmatch_jax.config_reference",
        (),
        "lists every field of a config: what --config.FIELD=VALUE can set",
        "",
    ),
}


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
