"""Measures how many crops per second one core of the input pipeline makes.

    python -m benchmarks.input_pipeline [--name camvid --root DIR --split 1_8]

Without --root it reads generated 500x375 JPEGs with PNG masks, about as large
as VOC's photographs. It uses one process, one thread and no workers.
"""

import argparse
import json
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image

from ipixmatch_jax.data import pipeline, registry
from ipixmatch_jax.data.files import file_source

SIZE = (500, 375)  # Width and height of most VOC images.


def generated(folder: pathlib.Path, count: int) -> registry.DataSet:
    """Generates JPEGs and masks of about the file size of VOC's."""
    rng = np.random.default_rng(0)
    entries = []
    for i in range(count):
        coarse = rng.integers(0, 256, (60, 80, 3), np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize(SIZE), np.float32)
        image += rng.normal(0, 8, image.shape)
        image = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
        image.save(folder / f"{i}.jpg", quality=90)
        blocks = Image.fromarray(rng.integers(0, 21, (6, 8), np.uint8))
        blocks.resize(SIZE, Image.Resampling.NEAREST).save(folder / f"{i}.png")
        entries.append((f"{i}.jpg", f"{i}.png"))
    bare = [(image, None) for image, _ in entries]
    labelled = file_source.FileSource(folder, entries, 21)
    unlabelled = file_source.FileSource(folder, bare, 21)
    return registry.DataSet(labelled, unlabelled, labelled, None, (), ())


def measure(
    data: registry.DataSet, crop_size: int, apply_views: str, seconds: float
) -> float:
    """Crops (labelled and unlabelled) per second of processor time."""
    batch_size = 8
    batches = pipeline.train_batches(
        data.labelled,
        data.unlabelled,
        batch_size=batch_size,
        crop_size=crop_size,
        seed=0,
        apply_views=apply_views,
    )
    batches[0]
    steps, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        steps += 1
        batches[steps]
    return steps * 2 * batch_size / (time.process_time() - start)


def run(data: registry.DataSet, seconds: float) -> list[dict]:
    """Measures and prints one row per crop size and place of the views."""
    print("crop  views on  crops/s/core")
    rows = []
    for crop_size in (321, 513):
        for apply_views in ("device", "host"):
            rate = measure(data, crop_size, apply_views, seconds)
            row = {"crop_size": crop_size, "apply_views": apply_views}
            rows.append(row | {"crops_per_second_per_core": round(rate, 1)})
            print(f"{crop_size:4}  {apply_views:8}  {rate:12.1f}")
    return rows


def main() -> None:
    """Measures, prints the table and writes the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="voc", choices=registry.DATASETS)
    parser.add_argument("--root", help="of the data set; generated if absent")
    parser.add_argument("--splits-dir", default="")
    parser.add_argument("--split", default="1_8")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    if args.root:
        data = registry.open_data(
            args.name, args.root, args.splits_dir, args.split
        )
        rows = run(data, args.seconds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            data = generated(pathlib.Path(folder), 64)
            rows = run(data, args.seconds)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
