"""Suggests which unlabelled images to label next:

python -m ipixmatch_jax.suggest --workdir DIR -n 20
"""

import argparse
import pathlib
import sys

from ipixmatch_jax.cli import arguments, compilation_cache
from ipixmatch_jax.cli.prepare_jax import prepare_jax
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.predict.files import SETTINGS, Item
from ipixmatch_jax.predict.formats.arguments import (
    add_format_options,
    check_format_options,
    read_format_options,
)
from ipixmatch_jax.predict.formats.registry import FORMATS
from ipixmatch_jax.predict.workdir import predict_workdir
from ipixmatch_jax.suggest.suggestions import (
    SHOWN,
    Suggestions,
    suggest_images,
    write_suggestions,
)
from ipixmatch_jax.suggest.tool_names import names_in_tool
from ipixmatch_jax.utils.atomic import require_folder


@report_errors("ipixmatch_jax.suggest")
def run() -> None:
    """Writes the suggestions that the command line asks for."""
    args = _arguments()
    prepare_jax(args.compilation_cache)
    out = args.out or args.workdir / "suggestions"
    load_run_config(args.workdir)  # says first that there is no such run
    require_folder(out, "--out")
    if args.format:
        _check_labels(args, out)
    suggestions = suggest_images(args.workdir, args.n, args.root)
    paths = write_suggestions(suggestions, out)
    for sentence in suggestions.bad:
        print(f"Skipped: {sentence}", file=sys.stderr)
    print("\n".join([_summarise(suggestions, args.n), *map(str, paths)]))
    if args.format:
        _write_labels(args, out, suggestions)


def _check_labels(args: argparse.Namespace, out: pathlib.Path) -> None:
    """Refuses, before long work, what `_write_labels` would refuse."""
    options = read_format_options(args)
    FORMATS[args.format].require_packages(options.get("tolerance"))
    if (out / SETTINGS).exists():
        raise ValueError(
            f"{out} holds predictions for images that were suggested before: "
            "choose another --out, or delete this folder."
        )


def _write_labels(
    args: argparse.Namespace, out: pathlib.Path, suggestions: Suggestions
) -> None:
    """Writes predictions of the chosen images for a label tool."""
    if len(suggestions.files) < len(suggestions.names):
        raise ValueError(
            f"The images of {args.workdir} are not files of their own, which "
            "--format needs; the other files are written."
        )
    names = names_in_tool([name for _, name in suggestions.files])
    items = [
        Item(path, str(pathlib.PurePosixPath(name).with_suffix("")))
        for (path, _), name in zip(suggestions.files, names, strict=True)
    ]
    predict_workdir(
        args.workdir,
        items,
        out,
        root=args.root,
        kinds=(),
        label_format=args.format,
        options=read_format_options(args),
    )
    for file in FORMATS[args.format].joined:
        print(out / file)


def _summarise(suggestions: Suggestions, asked: int) -> str:
    count = len(suggestions.names)
    total = len(suggestions.rows)
    if asked > total:
        words = f"All {count} unlabelled images; {asked} were asked for"
    else:
        words = f"{count} of {total} unlabelled images"
    if count > SHOWN:
        words += f"; the sheet shows the first {SHOWN}"
    return words + "."


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(
        "ipixmatch_jax.suggest",
        description="Chooses unlabelled images about which the networks of a "
        "run are uncertain, and which differ from one another and from the "
        "labelled images. Writes a list, a table and a contact sheet.",
    )
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="a run's folder"
    )
    parser.add_argument(
        "-n",
        type=arguments.whole_number,
        default=20,
        help="how many to choose (default: %(default)s)",
    )
    parser.add_argument("--root", help="the data set's folder, if it moved")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        help="the folder to write to (default: suggestions, in the workdir)",
    )
    purpose = "also write predictions of the chosen images, to be corrected"
    add_format_options(parser, purpose)
    arguments.add_plugin_option(parser)
    compilation_cache.add_cache_option(parser)
    args = parser.parse_args()
    check_format_options(parser, args)
    return args


if __name__ == "__main__":
    run()
