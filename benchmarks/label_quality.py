"""What a run's teacher would teach, against masks that training never saw:

python -m benchmarks.label_quality --workdir DIR --images 64

Confident share and precision by class, calibration and boundary IoU, on
unlabelled training images whose masks exist (`--set val` takes val). For
looking at a finished run only: nothing learns from these masks.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
from ml_collections import ConfigDict

from benchmarks.quality_numbers import Quality
from ipixmatch_jax.data.files.file_source import split_lists
from ipixmatch_jax.data.source import DataSet, Source, pixels
from ipixmatch_jax.evaluate.evaluator import predict_classes
from ipixmatch_jax.evaluate.padded_shapes import (
    bucket_shapes,
    group_by_shape,
    pad_images,
)
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.data import open_data


def every(items: list, count: int) -> list:
    """At most `count` items, evenly spread over the list."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[i] for i in places.round().astype(int)]


def open_unlabelled(config: ConfigDict, count: int) -> DataSet:
    """A data set whose labelled part is some of a run's unlabelled images.

    Args:
      config: of the run; its data set has lists of image and mask.
      count: images at most, evenly spread over the list.

    Raises:
      ValueError, FileNotFoundError: there is no list, or a mask is missing.
    """
    config = ConfigDict(config.to_dict())
    root = pathlib.Path(config.data.root)
    labelled, unlabelled, val = split_lists(
        root, config.data.splits_dir, config.data.split
    )
    lines = unlabelled.read_text("utf-8-sig").splitlines()
    chosen = every([line for line in lines if line.strip()], count)
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder, "swapped")
        here.mkdir()
        (here / "labeled.txt").write_text("\n".join(chosen), "utf-8")
        shutil.copy(labelled, here / "unlabeled.txt")
        if val.is_file():
            shutil.copy(val, folder)
        config.data.splits_dir, config.data.split = folder, here.name
        return open_data(config)


def predictions(
    trained: restore.Trained, network: str, source: Source, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Class ids, confidences and true ids [H, W] of images of a source."""
    chosen = every(list(range(len(source))), count)
    sizes = {i: source.size(i) for i in chosen}
    channels = trained.network.channels
    for shape, indices in group_by_shape(
        bucket_shapes(list(sizes.values())), sizes
    ):
        for i in indices:
            sample = source[i]
            batch = pad_images([pixels(sample.image)], shape, 1, channels)
            found = predict_classes(
                trained.network, trained.variables[network], *batch
            )
            h, w = sizes[i]
            ids, confidence = (np.asarray(x)[0, :h, :w] for x in found)
            yield ids, confidence, np.asarray(sample.mask)


def measure(args: argparse.Namespace) -> dict:
    """The numbers as JSON holds them.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    trained = restore.restore_networks(args.workdir, args.checkpoint)
    config = trained.config
    if args.set == "unlabelled":
        data = open_unlabelled(config, args.images)
        source = data.labelled
    else:
        data = open_data(config)
        source = data.val
    has_teacher = "teacher" in trained.variables
    network = "teacher" if has_teacher else "student"
    names = data.class_names
    quality = Quality(len(names), config.pseudo_label.threshold)
    for image in predictions(trained, network, source, args.images):
        quality.add(*image)
    precision = quality.precision_by_class.round(4).tolist()
    shares = quality.confident_share_by_class.round(4).tolist()
    return {
        "set": args.set,
        "images": min(args.images, len(source)),
        "network": network,
        "step": trained.step,
        "threshold": quality.threshold,
        "confident_share": round(quality.confident_share, 4),
        "precision": round(quality.precision, 4),
        "calibration_error": round(quality.calibration_error, 4),
        "boundary_iou": round(quality.boundary_iou, 2),
        "confident_share_by_class": dict(zip(names, shares, strict=True)),
        "precision_by_class": dict(zip(names, precision, strict=True)),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.label_quality",
        description="What a run's teacher would teach, against known masks.",
    )
    parser.add_argument("--workdir", required=True, type=pathlib.Path)
    parser.add_argument(
        "--checkpoint", choices=("best", "last"), default="last"
    )
    parser.add_argument(
        "--set", choices=("unlabelled", "val"), default="unlabelled"
    )
    parser.add_argument("--images", type=int, default=64, help="at most")
    return parser


if __name__ == "__main__":
    try:
        print(json.dumps(measure(_parser().parse_args()), indent=1))
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.label_quality: {error}")
