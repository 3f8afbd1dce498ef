"""Makes data ready: a download in its folder, labels of a tool in a new one,
or a data set packed into records:

python -m ipixmatch_jax.data.prepare coco --source DIR
python -m ipixmatch_jax.data.prepare labelme --source EXPORT --out DIR
python -m ipixmatch_jax.data.prepare voc --source DIR --out DIR
"""

import argparse
import pathlib

from ipixmatch_jax.cli import arguments as usage
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.prepare.in_place import is_download, prepare_in_place
from ipixmatch_jax.data.prepare.label_tools.convert import convert_labels
from ipixmatch_jax.data.prepare.label_tools.export import Rules
from ipixmatch_jax.data.prepare.label_tools.registry import LABEL_TOOLS
from ipixmatch_jax.data.prepare.pack import pack_data_set, packable_names
from ipixmatch_jax.utils.counts import count_of


def _parser() -> argparse.ArgumentParser:
    tools = "; ".join(f"{n}: {t.exports}" for n, t in LABEL_TOOLS.items())
    parser = usage.parser(
        "ipixmatch_jax.data.prepare",
        description="Of a public data set it unpacks the archives that lie in "
        "a folder and makes the masks that the download lacks: COCO's from "
        "its polygons, VOC's SegmentationClassAug from SBD's archive. It "
        "keeps what is there, so that it goes on after it was stopped. With "
        "--out it packs the data set into ArrayRecord files instead. Of a "
        "label tool it reads what the tool exported and writes images, masks "
        f"and classes.json into the new folder --out. It reads {tools}. "
        "`coco` is the public data set where --source holds its archives or "
        "lists of 2017, and else the export of a label tool.",
        epilog="The folder that it prints is then --config.data.root.",
    )
    sets, labels = packable_names(), tuple(map(str, LABEL_TOOLS))
    parser.add_argument(
        "name",
        choices=tuple(dict.fromkeys([*sets, *labels])),
        metavar="NAME",
        help=f"what --source holds: a data set ({', '.join(sets)}) or the "
        f"export of a label tool ({', '.join(labels)})",
    )
    parser.add_argument(
        "--source",
        type=pathlib.Path,
        required=True,
        help="the folder of the downloaded archives, or of what was in them; "
        "the folder, the zip or the file that a label tool exported",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        help="the folder that gets the packed set, or the new folder of a "
        "label tool's images and masks",
    )
    _add_label_options(parser)
    return parser


def _add_label_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of label tools")
    group.add_argument(
        "--images",
        type=pathlib.Path,
        help="the folder of the images, where the export does not hold them",
    )
    group.add_argument(
        "--classes",
        nargs="+",
        metavar="LABEL",
        help="the labels in the order of their ids, after the background "
        "(default: the order that the export gives)",
    )
    group.add_argument(
        "--uncovered",
        choices=("background", "void"),
        help="what pixels are that no shape covers (default: background)",
    )
    group.add_argument(
        "--empty",
        choices=("unlabelled", "background"),
        help="what an image is that the export lists without a shape "
        "(default: unlabelled)",
    )
    group.add_argument(
        "--lines",
        choices=("refuse", "skip"),
        help="what to do with lines and points, which have no area "
        "(default: refuse)",
    )


def _rules(args: argparse.Namespace) -> Rules:
    given = {
        name: getattr(args, name)
        for name in Rules._fields
        if getattr(args, name) is not None
    }
    if "classes" in given:
        given["classes"] = tuple(given["classes"])
    return Rules(**given)


def _is_label_tool(args: argparse.Namespace) -> bool:
    """Whether to read labels; `coco` names a public data set too."""
    if args.name not in LABEL_TOOLS or args.name not in packable_names():
        return args.name in LABEL_TOOLS
    return args.out is not None and not is_download(args.name, args.source)


def _prepare_labels(args: argparse.Namespace) -> list[str]:
    if args.out is None:
        raise ValueError(
            "--out is missing: name the new folder that gets the images and "
            "masks."
        )
    return convert_labels(
        args.name, args.source, args.out, args.images, _rules(args)
    )


@report_errors("ipixmatch_jax.data.prepare")
def main(arguments: list[str] | None = None) -> None:
    """Prepares or packs what the command line asks for."""
    args = _parser().parse_args(arguments)
    if _is_label_tool(args):
        folder = args.out
        lines = _prepare_labels(args)
    elif args.images or _rules(args) != Rules():
        raise ValueError(
            f"{args.source} holds the public data set {args.name}, and "
            "--images, --classes, --uncovered, --empty and --lines are for "
            "exports of label tools: leave them out."
        )
    elif args.out is None:
        folder, lines = args.source, prepare_in_place(args.name, args.source)
    else:
        folder, counts = pack_data_set(args.name, args.source, args.out)
        lines = [f"{p}: {count_of(n, 'image')}" for p, n in counts.items()]
    lines += ["Train on them with", f"  --config.data.root={folder}"]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
