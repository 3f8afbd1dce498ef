"""Gets split lists: `python -m ipixmatch_jax.data.splits download | make`."""

import argparse
import fractions
import hashlib
import os
import pathlib
import urllib.error
import urllib.request

import numpy as np

from ipixmatch_jax.cli import arguments as usage
from ipixmatch_jax.data.datasets import camvid, cityscapes, voc
from ipixmatch_jax.data.files.split_list import Entry, read_list
from ipixmatch_jax.data.splits.published import ADDRESS, LISTS

__all__ = ["download", "make", "read_list"]

TIMEOUT = 60  # Seconds per file.


def download(out: pathlib.Path, address: str = ADDRESS) -> list[pathlib.Path]:
    """Fetches the published lists, checks their sha256, and writes them.

    Nothing is written unless every list is as published.

    Args:
      out: the folder that gets `pascal/` and `cityscapes/`.
      address: of the folder that holds both, with a final slash.

    Returns:
      The paths written.

    Raises:
      ConnectionError: a list cannot be fetched.
      ValueError: a list is not the published one.
    """
    contents = {}
    for name, (_, sha256) in LISTS.items():
        contents[name] = _fetch(address + name)
        got = hashlib.sha256(contents[name]).hexdigest()
        if got != sha256:
            raise ValueError(
                f"{address + name} is not the published list: its sha256 is "
                f"{got}, not {sha256}; nothing was written."
            )
    for name, content in contents.items():
        write(out / name, content)
    return [out / name for name in contents]


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as response:
            return response.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ConnectionError(
            f"Cannot fetch {address} ({error}); nothing was written, and "
            "`python -m ipixmatch_jax.data.splits make` needs no network."
        ) from error


def make(
    root: pathlib.Path,
    labelled: fractions.Fraction,
    seed: int,
    out: pathlib.Path,
) -> tuple[int, int]:
    """Draws a labelled share of the train list of a known data set's root.

    The share is rounded to the nearest whole number, halves up, and is at
    least 1. With one seed the smaller share is a subset of the larger. Writes
    `<n>_<m>/labeled.txt`, `<n>_<m>/unlabeled.txt` and `val.txt` below `out`.
    Returns how many images are labelled and how many are not.

    Raises:
      FileNotFoundError: the root or its own lists are absent.
      ValueError: a share out of range, or one that leaves nothing unlabelled.
    """
    if not 0 < labelled < 1:
        raise ValueError(
            f"--labelled is {labelled}; it is a fraction between 0 and 1 "
            "such as 1/8."
        )
    train, val = own_lists(root)
    count = max(1, int(len(train) * labelled + fractions.Fraction(1, 2)))
    if count >= len(train):
        raise ValueError(
            f"{labelled} of {len(train)} images leaves none unlabelled."
        )
    some, rest = _drawn(train, count, seed)
    folder = out / f"{labelled.numerator}_{labelled.denominator}"
    _write_list(folder / "labeled.txt", some)
    _write_list(folder / "unlabeled.txt", rest)
    _write_list(out / "val.txt", val)
    return len(some), len(rest)


def _drawn(
    entries: list[Entry], count: int, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """The first `count` of a seed's permutation, and the rest; in order."""
    order = np.random.default_rng(seed).permutation(len(entries)).tolist()
    return (
        [entries[i] for i in sorted(order[:count])],
        [entries[i] for i in sorted(order[count:])],
    )


def own_lists(root: pathlib.Path) -> tuple[list[Entry], list[Entry]]:
    """The train and the val list of VOC, Cityscapes or CamVid.

    Raises:
      FileNotFoundError: the root has none of their layouts.
    """
    if (voc.find_root(root) / "ImageSets" / "Segmentation").is_dir():
        return voc.own_lists(root)
    if (root / "leftImg8bit").is_dir():
        return cityscapes.own_lists(root)
    if (root / "train.txt").is_file():
        return camvid.own_lists(root)
    raise FileNotFoundError(
        f"{root} has no ImageSets/Segmentation (VOC), leftImg8bit "
        "(Cityscapes) or train.txt (CamVid) to draw from."
    )


def _write_list(path: pathlib.Path, entries: list[Entry]) -> None:
    lines = [f"{image} {mask}\n" for image, mask in entries]
    write(path, "".join(lines).encode())


def write(path: pathlib.Path, content: bytes) -> None:
    """Writes a file whole or not at all, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = usage.parser("ipixmatch_jax.data.splits")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser(
        "download",
        help="the published lists of PASCAL VOC and Cityscapes",
        description="Fetches the published lists of PASCAL VOC and "
        "Cityscapes, and checks each against its sha256.",
    )
    fetch.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("data/splits"),
        help="the folder to write to (default: %(default)s)",
    )
    draw = commands.add_parser(
        "make",
        help="a labelled share of the root's own train list",
        description="Draws a labelled share of the root's own train list; "
        "with one seed, smaller shares are part of larger ones.",
    )
    draw.add_argument(
        "--root",
        type=pathlib.Path,
        required=True,
        help="a folder of VOC, Cityscapes or CamVid",
    )
    draw.add_argument(
        "--labelled", type=fractions.Fraction, required=True, help="as 1/8"
    )
    draw.add_argument(
        "--seed", type=int, default=0, help="of the draw (default: 0)"
    )
    draw.add_argument(
        "--out",
        type=pathlib.Path,
        required=True,
        help="the folder that gets the lists",
    )
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Runs one command; what goes wrong is one sentence and status 1."""
    args = _parser().parse_args(arguments)
    try:
        if args.command == "download":
            paths = download(args.out)
            print(f"{len(paths)} lists are in {args.out}.")
        else:
            counts = make(args.root, args.labelled, args.seed, args.out)
            print(
                f"{counts[0]} labelled and {counts[1]} unlabelled images are "
                f"listed in {args.out}."
            )
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
