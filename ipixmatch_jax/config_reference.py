"""Lists every field of a config, its type, default and meaning, as Markdown:

python -m ipixmatch_jax.config_reference
"""

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.configuration.reference import write_reference
from ipixmatch_jax.experiment.members import allowed_names


@report_errors("ipixmatch_jax.config_reference")
def run() -> None:
    """Prints the reference."""
    arguments.parser(
        "ipixmatch_jax.config_reference",
        description="Lists every field of a config with its type, default and "
        "meaning, as Markdown.",
    ).parse_args()
    print(write_reference(allowed_names()), end="")


if __name__ == "__main__":
    run()
