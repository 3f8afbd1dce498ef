"""Makes a downloaded data set ready, in its folder or packed into records:

python -m ipixmatch_jax.data.prepare coco --source DIR
python -m ipixmatch_jax.data.prepare voc --source DIR --out DIR
"""

import argparse
import pathlib

from ipixmatch_jax.cli import arguments as usage
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.prepare.in_place import prepare_in_place
from ipixmatch_jax.data.prepare.pack import pack_data_set, packable_names
from ipixmatch_jax.utils.counts import count_of


def _parser() -> argparse.ArgumentParser:
    parser = usage.parser(
        "ipixmatch_jax.data.prepare",
        description="Unpacks the archives that lie in a folder and makes the "
        "masks that the download lacks: COCO's from its polygons, VOC's "
        "SegmentationClassAug from SBD's archive. It keeps what is there, so "
        "that it goes on after it was stopped. With --out it packs the data "
        "set into ArrayRecord files instead.",
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
        help="the folder that gets the packed set",
    )
    return parser


@report_errors("ipixmatch_jax.data.prepare")
def main(arguments: list[str] | None = None) -> None:
    """Prepares or packs what the command line asks for."""
    args = _parser().parse_args(arguments)
    if args.out is None:
        folder, lines = args.source, prepare_in_place(args.name, args.source)
    else:
        folder, counts = pack_data_set(args.name, args.source, args.out)
        lines = [f"{p}: {count_of(n, 'image')}" for p, n in counts.items()]
    lines += ["Train on them with", f"  --config.data.root={folder}"]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
