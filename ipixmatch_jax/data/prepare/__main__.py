"""Packs a data set into ArrayRecord files, once, in the format of TFDS:

python -m ipixmatch_jax.data.prepare voc --source DIR --out DIR
"""

import argparse
import pathlib

from ipixmatch_jax.cli import arguments as usage
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.prepare.archives import pack_data_set, packable_names


def _parser() -> argparse.ArgumentParser:
    parser = usage.parser(
        "ipixmatch_jax.data.prepare",
        epilog="The folder that it prints is then --config.data.root.",
    )
    parser.add_argument(
        "name", choices=packable_names(), help="what --source holds"
    )
    parser.add_argument(
        "--source",
        type=pathlib.Path,
        required=True,
        help="the folder of the downloaded archives, or of what was in them",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        required=True,
        help="the folder that gets the packed set",
    )
    return parser


@report_errors("ipixmatch_jax.data.prepare")
def main(arguments: list[str] | None = None) -> None:
    """Packs what the command line asks for."""
    args = _parser().parse_args(arguments)
    folder, counts = pack_data_set(args.name, args.source, args.out)
    images = ", ".join(f"{count} {split}" for split, count in counts.items())
    print(f"{images} images are in {folder}; train on them with")
    print(f"  --config.data.root={folder}")


if __name__ == "__main__":
    main()
