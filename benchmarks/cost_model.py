"""Where a train step becomes bound by communication, from published figures:

python -m benchmarks.cost_model --gflops 1081.8 --megabytes 237.9

Reckoned, not measured: docs/scaling.md says what goes in and what is left out.
The FLOPs and bytes of a config are printed by benchmarks/scaling.py.
"""

import json
import math
import pathlib
from typing import NamedTuple

from absl import app, flags

_GFLOPS = flags.DEFINE_float(
    "gflops", None, "Of one labelled and one unlabelled image, 1e9 FLOPs."
)
_MEGABYTES = flags.DEFINE_float(
    "megabytes", None, "All-reduced per step on each device, 1e6 bytes."
)
_SMALL = flags.DEFINE_integer(
    "small", 0, "All-reduces of a step that wait for one another."
)
_UTILISATION = flags.DEFINE_float(
    "utilisation", 0.3, "Assumed share of the published peak."
)
_CHIPS = flags.DEFINE_list(
    "chips", ["8", "64", "256", "1024", "4096"], "How many."
)
_JSON = flags.DEFINE_string("json", None, "File that gets the numbers.")


class Cluster(NamedTuple):
    """Published figures of a chip and of what joins it to others.

    Attributes:
      peak: dense bfloat16 FLOP/s of one chip.
      inner: bytes/s that one chip sends over the fast links, all together.
      group: chips that the fast links join.
      outer: bytes/s per chip, one way, of the network beyond them.
    """

    peak: float
    inner: float
    group: int
    outer: float


# Google Cloud's documentation of TPU v5e (197 TFLOPs, ICI 1600 Gbps a chip,
# pods of 256, data centre network 6.4 Tbps a pod) and v5p (459 TFLOPs, 4800
# Gbps, slices of at most 6144, 50 Gbps a chip); NVIDIA's H100 data sheet (SXM:
# 989.5 TFLOPS dense, NVLink 900 GB/s both ways together) and DGX H100's (one
# port of 400 Gb/s InfiniBand for each of 8 GPUs).
CLUSTERS = {
    "v5e": Cluster(197e12, 1600e9 / 8, 256, 6.4e12 / 8 / 256),
    "v5p": Cluster(459e12, 4800e9 / 8, 6144, 50e9 / 8),
    "H100": Cluster(989.5e12, 900e9 / 2, 8, 400e9 / 8),
}


def all_reduce_seconds(size: float, chips: int, cluster: Cluster) -> float:
    """Of a bandwidth-bound all-reduce: rings within groups, then between.

    A ring of n sends 2 (n - 1) / n of the array from each chip. Several
    groups first reduce-scatter within, all-reduce each chip's part between
    them, and gather within. Latency is left out; whole groups are assumed.

    Args:
      size: bytes of the array, the same on every chip.
      chips: that take part; a multiple of the group if there are several.
      cluster: their figures.
    """
    inside = min(chips, cluster.group)
    groups = math.ceil(chips / cluster.group)
    seconds = 2 * (inside - 1) / inside * size / cluster.inner
    return seconds + (2 * (groups - 1) / groups * size / inside / cluster.outer)


def compute_seconds(
    flops: float, cluster: Cluster, utilisation: float
) -> float:
    """Of so many FLOPs on one chip at a share of its peak."""
    return flops / (cluster.peak * utilisation)


def bound_below(
    flops: float, size: float, chips: int, cluster: Cluster, utilisation: float
) -> float:
    """Pairs of images per chip below which communication takes longer.

    Args:
      flops: of one pair, a labelled and an unlabelled image.
      size: bytes that a step all-reduces, whatever its batch.
      chips: of the run.
      cluster: their figures.
      utilisation: share of the peak that the computation reaches.
    """
    seconds = all_reduce_seconds(size, chips, cluster)
    return seconds / compute_seconds(flops, cluster, utilisation)


def latency_budget(
    flops: float, count: int, cluster: Cluster, utilisation: float
) -> float:
    """Seconds per small all-reduce at which `count` of them take as long.

    Args:
      flops: of a step on one chip.
      count: all-reduces that wait for one another.
      cluster: the chip's figures.
      utilisation: share of the peak that the computation reaches.
    """
    return compute_seconds(flops, cluster, utilisation) / count


def input_bytes(
    image_bytes: float, flops: float, cluster: Cluster, utilisation: float
) -> float:
    """Bytes/s of encoded images that a chip takes while it only computes.

    Args:
      image_bytes: of one encoded image; a pair is two.
      flops: of one pair.
      cluster: the chip's figures.
      utilisation: share of the peak that the computation reaches.
    """
    return 2 * image_bytes / compute_seconds(flops, cluster, utilisation)


def rows(
    flops: float, size: float, small: int, utilisation: float, chips: list[int]
) -> list[dict]:
    """A row per kind of chip and number of chips; seconds and pairs."""
    found = []
    for name, cluster in CLUSTERS.items():
        for count in chips:
            row = {
                "chip": name,
                "chips": count,
                "all_reduce_seconds": all_reduce_seconds(size, count, cluster),
                "pair_seconds": compute_seconds(flops, cluster, utilisation),
                "bound_below": bound_below(
                    flops, size, count, cluster, utilisation
                ),
            }
            if small:
                row["latency_seconds"] = latency_budget(
                    2 * flops, small, cluster, utilisation
                )
            found.append(row)
    return found


def table(found: list[dict]) -> str:
    """Markdown."""
    lines = [
        "| chip | chips | all-reduce | compute of a pair | bound below | "
        "latency budget |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        latency = row.get("latency_seconds")
        shown = "-" if latency is None else f"{latency * 1e6:.1f} µs"
        lines.append(
            f"| {row['chip']} | {row['chips']} | "
            f"{row['all_reduce_seconds'] * 1e3:.2f} ms | "
            f"{row['pair_seconds'] * 1e3:.2f} ms | "
            f"{row['bound_below']:.2f} pairs | {shown} |"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Reckons, prints a table and writes JSON."""
    if len(argv) > 1:
        raise app.UsageError(f"Not understood: {' '.join(argv[1:])}")
    found = rows(
        _GFLOPS.value * 1e9,
        _MEGABYTES.value * 1e6,
        _SMALL.value,
        _UTILISATION.value,
        [int(count) for count in _CHIPS.value],
    )
    print(table(found))
    if _JSON.value:
        text = json.dumps(found, indent=1) + "\n"
        pathlib.Path(_JSON.value).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    flags.mark_flags_as_required(["gflops", "megabytes"])
    app.run(main)
