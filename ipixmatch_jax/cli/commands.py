"""`ipixmatch COMMAND ...`: every command of the package by its name."""

import difflib
import importlib.metadata
import runpy
import sys
from typing import NamedTuple

NAME = "ipixmatch"


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
        "shows one run or several on one HTML page",
        "--workdir runs/mine",
    ),
    "predict": Command(
        "ipixmatch_jax.predict",
        (),
        "predicts images and videos, or writes a network for use elsewhere",
        "--workdir runs/mine --images PATH --out predicted",
    ),
    "try": Command(
        "ipixmatch_jax.viewer",
        (),
        "opens a local page that predicts the images that are dropped on it",
        "--workdir runs/mine",
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
        "scores a run's checkpoint, or a file of weights",
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
        "reads what a label tool exported, or makes a download ready",
        "voc --source DIR",
    ),
    "splits": Command(
        "ipixmatch_jax.data.splits",
        (),
        "downloads or draws lists of labelled and unlabelled images",
        "make --root DIR --labelled 1/8 --seed 0 --out data/splits/mine",
    ),
    "convert": Command(
        "ipixmatch_jax.models.pretrained",
        ("convert",),
        "turns PyTorch weights into a file for this package",
        "resnet101.pth --to resnet101.safetensors",
    ),
    "export": Command(
        "ipixmatch_jax.models.pretrained",
        ("export",),
        "writes a run's network as a file for PyTorch or ONNX",
        "runs/mine --to ours.pth",
    ),
    "push": Command(
        "ipixmatch_jax.hub",
        ("push",),
        "publishes a run's network on the Hugging Face hub",
        "--workdir runs/mine --repo OWNER/NAME --dry-run",
    ),
    "pull": Command(
        "ipixmatch_jax.hub",
        ("pull",),
        "fetches a network that `push` has published",
        "OWNER/NAME --workdir pulled",
    ),
    "fields": Command(
        "ipixmatch_jax.config_reference",
        (),
        "lists every field of a config: what --config.FIELD=VALUE can set",
        "",
    ),
}


def _by_name() -> bool:
    """Whether this process was started as `ipixmatch ...`."""
    return sys.argv[0].split(" ")[0] == NAME


def call_of(name: str) -> str:
    """How a person calls a command, such as "ipixmatch train".

    A process that was started with `python -m` names its module instead.
    """
    if _by_name():
        return f"{NAME} {name}"
    command = COMMANDS[name]
    return " ".join(["python -m", command.module, *command.words])


def called(module: str) -> str:
    """How this process's own command was called."""
    return sys.argv[0] if _by_name() else f"python -m {module}"


def called_with_word(module: str) -> str:
    """As `called`, with the command's name where several share the module."""
    word = next(iter(sys.argv[1:]), "")
    if sys.argv[0] == NAME and word in COMMANDS:
        return f"{NAME} {word}"
    return called(module)


def main() -> None:
    """Runs the command that the first word names; its exit code is ours."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        sys.exit(0 if words else 2)
    if words == ["--version"]:
        print(f"{NAME} {_version()}")
        sys.exit(0)
    name, *rest = words
    if name not in COMMANDS:
        print(f"{NAME}: {_describe_unknown(name, rest)}", file=sys.stderr)
        sys.exit(2)
    command = COMMANDS[name]
    first = NAME if command.words else f"{NAME} {name}"
    sys.argv = [first, *command.words, *rest]
    # As `python -m` does it. Data workers start from this small file again,
    # so everything heavy is behind this line.
    try:
        runpy.run_module(command.module, run_name="__main__")
    except KeyboardInterrupt:  # before the command itself listens for it
        print(f"{NAME} {name}: stopped by Ctrl-C.", file=sys.stderr)
        sys.exit(130)


def _version() -> str:
    """The installed version; a checkout that was not installed has none."""
    try:
        return importlib.metadata.version("ipixmatch_jax")
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout that is not installed"


def _describe_unknown(name: str, rest: list[str]) -> str:
    """What to write instead of a first word that names no command."""
    if name.startswith("-"):
        command = next((word for word in rest if word in COMMANDS), "COMMAND")
        return (
            f"{name} comes after the command's name, as in "
            f"`{NAME} {command} {name}`."
        )
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"there is no command {name!r}; the commands are "
        f"{', '.join(COMMANDS)}.{hint}"
    )


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {n:{width}}  {c.purpose}" for n, c in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {NAME} COMMAND ...",
            "",
            "Semi-supervised semantic segmentation in JAX.",
            "",
            *rows,
            "",
            f"{NAME} COMMAND --help says how each is used; {NAME} --version "
            "prints the version.",
        ]
    )
