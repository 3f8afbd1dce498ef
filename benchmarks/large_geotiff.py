"""Time and peak memory of predicting one large GeoTIFF:

python -m benchmarks.large_geotiff --side 12000 --folder DIR

Draws a square scene of four 16-bit bands into DIR (tiled, deflate, EPSG:32633),
makes a run with random weights of the smallest network, predicts the scene in
a process of its own, and prints what that took. Files that are there already
are used again. Needs rasterio.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import jax
import numpy as np

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configs import folder as folder_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment.network import build_network, network_names
from ipixmatch_jax.models.segmenter import draw_variables

BANDS = 4
TILE = 512
FIELD = 96  # Side of a field of one kind in pixels.


def draw_scene(path: pathlib.Path, side: int) -> None:
    """Writes a square GeoTIFF of fields with noise, a row of tiles at a time.

    Args:
      path: of the file.
      side: height and width in pixels.
    """
    import rasterio

    rng = np.random.default_rng(0)
    fields = rng.integers(200, 9000, (BANDS, side // FIELD + 1, 9))
    columns = np.arange(side) // FIELD * 5 % 9
    partial = path.with_suffix(".partial")
    with rasterio.open(
        partial,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=BANDS,
        width=side,
        height=side,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 6_000_000),
        tiled=True,
        blockxsize=TILE,
        blockysize=TILE,
        compress="deflate",
        zlevel=1,
        bigtiff="if_safer",
    ) as file:
        for top in range(0, side, TILE):
            rows = np.arange(top, min(top + TILE, side)) // FIELD
            values = fields[:, rows][:, :, columns]
            values = values + rng.integers(0, 64, values.shape)
            window = ((top, top + len(rows)), (0, side))
            file.write(values.astype(np.uint16), window=window)
    os.replace(partial, path)


def make_run(workdir: pathlib.Path, classes: int) -> None:
    """Writes a run of four bands with random weights of the tiny network."""
    config = folder_config.get_config("tiny")
    config.data.channels = BANDS
    config.data.range = "0,10000"
    config.data.normalisation = "data"
    config.data.mean = config.data.std = ",".join(["0.25"] * BANDS)
    config.model.num_classes = classes
    workdir.mkdir()
    saved.save_config(config, workdir)
    weights = draw_variables(build_network(config), 65, jax.random.key(0))
    with Checkpoints(workdir) as checkpoints:
        best = Saved(0.0, 1, "student")
        trees = dict.fromkeys(network_names(config), weights)
        checkpoints.save(1, trees, best, config.to_dict(), 0.0)
        checkpoints.wait()


def predict(folder: pathlib.Path, scene: pathlib.Path, words: list[str]):
    """Predicts the scene; seconds and the peak memory of the process in GB."""
    out = folder / f"out_{time.time_ns()}"
    command = [sys.executable, "-m", "ipixmatch_jax.predict"]
    command += [f"--workdir={folder / 'run'}", f"--images={scene}"]
    start = time.perf_counter()
    subprocess.run([*command, f"--out={out}", *words], check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return seconds, peak * 1024 / 1e9


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=12_000)
    parser.add_argument("--classes", type=int, default=7)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    args, words = parser.parse_known_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    scene = args.folder / f"scene_{args.side}.tif"
    if not scene.exists():
        draw_scene(scene, args.side)
    if not (args.folder / "run").exists():
        make_run(args.folder / "run", args.classes)
    seconds, peak = predict(args.folder, scene, words)
    found = {
        "side": args.side,
        "file_gb": round(scene.stat().st_size / 1e9, 2),
        "seconds": round(seconds, 1),
        "peak_gb": round(peak, 3),
        "options": words,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
