"""`ipixmatch COMMAND ...`: every command of the package by its name."""

import runpy
import sys

from ipixmatch_jax.cli.arguments import COMMANDS, NAME


def main() -> None:
    """Runs the command that the first word names; its exit code is ours."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        sys.exit(0 if words else 2)
    name, *rest = words
    if name not in COMMANDS:
        sys.exit(
            f"{NAME}: there is no command {name!r}; the commands are "
            f"{', '.join(COMMANDS)}."
        )
    command = COMMANDS[name]
    first = NAME if command.words else f"{NAME} {name}"
    sys.argv = [first, *command.words, *rest]
    # As `python -m` does it. Data workers start from this small file again,
    # so everything heavy is behind this line.
    runpy.run_module(command.module, run_name="__main__")


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
            f"{NAME} COMMAND --help says how each is used.",
        ]
    )


if __name__ == "__main__":
    main()
