"""Predicts images and videos, or writes a network for use elsewhere:

python -m ipixmatch_jax.predict --workdir DIR --images PATH --out DIR
python -m ipixmatch_jax.predict --workdir DIR --export FILE
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from ipixmatch_jax.cli import arguments, compilation_cache
from ipixmatch_jax.cli.prepare_jax import prepare_jax
from ipixmatch_jax.cli.report_errors import report_errors
from ipixmatch_jax.data.files.tiff_windows import LARGE_SCENE
from ipixmatch_jax.predict import workdir
from ipixmatch_jax.predict.averaging import Averaging
from ipixmatch_jax.predict.formats.arguments import (
    OPTIONS,
    add_format_options,
    check_format_options,
    read_format_options,
)
from ipixmatch_jax.predict.formats.registry import FORMATS
from ipixmatch_jax.predict.windows import LARGE
from ipixmatch_jax.utils.counts import count_of


@report_errors("ipixmatch_jax.predict")
def run() -> None:
    """Does what the command line asks for; exits with 1 if a file is bad."""
    args = _arguments(sys.argv[1:])
    prepare_jax(args.compilation_cache)
    which = {
        "network": args.network,
        "checkpoint": args.checkpoint,
        "root": args.root,
    }
    if args.export is not None:
        size = args.export_size
        print(
            workdir.export_workdir(
                args.workdir, args.export, size=size, **which
            )
        )
        return
    label_format = args.format or "masks"
    done = workdir.predict_workdir(
        args.workdir,
        args.images,
        args.out,
        kinds=_kinds(args),
        label_format=label_format,
        options=read_format_options(args),
        averaging=Averaging(args.scales or (1.0,), bool(args.flip)),
        window=args.window,
        overlap=args.overlap,
        geotiff=bool(args.geotiff),
        **which,
    )
    print(
        f"{args.out}: {count_of(done.predicted, 'file')} predicted, "
        f"{done.there} already there, {done.bad} unreadable."
    )
    for file in FORMATS[label_format].joined:
        print(args.out / file)
    sys.exit(int(done.bad > 0))


def _kinds(args) -> tuple[str, ...]:
    kinds = ["overlays"] * (args.overlay is not False)
    return (*kinds, *["confidence"] * bool(args.confidence))


# Options that go with --images alone; None means not given.
_PREDICTING = (
    *("out", "format", *OPTIONS.values(), "confidence", "overlay", "flip"),
    *("scales", "window", "overlap", "geotiff"),
)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = arguments.parser(
        "ipixmatch_jax.predict",
        description="Predicts images and videos with a trained network, or "
        "writes the network as one file that runs with JAX alone.",
        epilog="Files whose outputs exist are skipped, so a command that was "
        "stopped continues. Files that cannot be read are named, and the exit "
        "code is then 1.",
    )
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="a run's folder"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--images",
        type=pathlib.Path,
        help="an image, a video, a folder, or a text file with a path per line",
    )
    what.add_argument(
        "--export", type=pathlib.Path, metavar="FILE", help="a zip to write"
    )
    _add_networks(parser)
    _add_predicting(parser)
    add_format_options(
        parser, "how to write the predictions", " (default: masks)"
    )
    arguments.add_plugin_option(parser)
    compilation_cache.add_cache_option(parser)
    args = parser.parse_args(words)
    if args.export is not None:
        given = [n for n in _PREDICTING if getattr(args, n) is not None]
        if given:
            flag = given[0].replace("_", "-")
            parser.error(f"--{flag} goes with --images, not --export")
    elif args.out is None:
        parser.error("--images needs --out DIR")
    elif args.export_size is not None:
        parser.error("--export-size goes with --export")
    check_format_options(parser, args)
    return args


def _add_networks(parser) -> None:
    arguments.add_network_options(parser)
    parser.add_argument(
        "--export-size",
        type=pixels,
        metavar="PIXELS",
        help="side of the largest images that the exported network takes "
        f"(default: {workdir.EXPORTED}, or the side of the crops)",
    )


def _add_predicting(parser) -> None:
    switch = argparse.BooleanOptionalAction
    parser.add_argument(
        "--out", type=pathlib.Path, help="the folder to write to"
    )
    parser.add_argument(
        "--overlay",
        action=switch,
        help="also write the colours over the image (on by default)",
    )
    parser.add_argument(
        "--confidence",
        action="store_true",
        default=None,
        help="also write the probability of each pixel's class, as grey",
    )
    parser.add_argument(
        "--flip",
        action="store_true",
        default=None,
        help="average with the mirror image",
    )
    parser.add_argument(
        "--scales",
        type=scales,
        metavar="S,S,...",
        help="average over resized images, such as 0.75,1,1.25",
    )
    parser.add_argument(
        "--window",
        type=pixels_or_none,
        metavar="PIXELS",
        help="cut every image into windows of this side; 0: cut none. By "
        f"default images above {LARGE:,} pixels are cut, or the images that "
        "the run's evaluation cuts",
    )
    parser.add_argument(
        "--geotiff",
        action="store_true",
        default=None,
        help="write a GeoTIFF in the place of every TIFF; those above "
        f"{LARGE_SCENE:,} pixels always are, read in windows",
    )
    parser.add_argument(
        "--overlap",
        type=whole_pixels,
        metavar="PIXELS",
        help="pixels that neighbouring windows of such a TIFF share and are "
        "blended over (default: a quarter of a window)",
    )


def pixels(word: str) -> int:
    """A side in pixels."""
    side = whole_pixels(word)
    if side < workdir.SMALLEST:
        raise argparse.ArgumentTypeError(
            f"{side} is below {workdir.SMALLEST} pixels"
        )
    return side


def whole_pixels(word: str) -> int:
    """A number of pixels from 0 up."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a whole number of pixels"
        )
    return int(word)


def pixels_or_none(word: str) -> int:
    """A side in pixels, or 0."""
    return 0 if word == "0" else pixels(word)


def scales(word: str) -> tuple[float, ...]:
    """Factors between commas."""
    try:
        factors = tuple(float(part) for part in word.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a list of numbers such as 0.75,1,1.25"
        ) from None
    if not all(0.1 <= factor <= 4 for factor in factors):
        raise argparse.ArgumentTypeError(f"{word}: give factors from 0.1 to 4")
    return factors


if __name__ == "__main__":
    run()
