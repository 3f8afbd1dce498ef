"""Lists every field of a config, its type, default and meaning, as Markdown:

python -m ipixmatch_jax.config_reference
"""

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.configuration.reference import text


def run() -> None:
    """Prints the reference."""
    arguments.parser(
        "ipixmatch_jax.config_reference",
        description="Lists every field of a config with its type, default and "
        "meaning, as Markdown.",
    ).parse_args()
    print(text(), end="")


if __name__ == "__main__":
    run()
