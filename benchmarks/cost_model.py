"""Estimates when communication limits a train step, from published figures:

python -m benchmarks.cost_model --gflops 1081.8 --megabytes 237.9

Calculated, not measured: docs/scaling.md says what is included and what is
left out. benchmarks/scaling.py prints the FLOPs and bytes of a config.
"""

import json
import math
import pathlib
from typing import NamedTuple

from absl import app, flags

_GFLOPS = flags.DEFINE_float(
    "gflops",
    None,
    "FLOPs of one pair (a labelled and an unlabelled image), in 1e9.",
)
_MEGABYTES = flags.DEFINE_float(
    "megabytes",
    None,
    "Bytes that each device all-reduces in a step, in 1e6.",
)
_SMALL = flags.DEFINE_integer(
    "small", 0, "Small all-reduces of a step that run one after another."
)
_UTILISATION = flags.DEFINE_float(
    "utilisation", 0.3, "Assumed share of the published peak."
)
_CHIPS = flags.DEFINE_list(
    "chips", ["8", "64", "256", "1024", "4096"], "Numbers of chips."
)
_JSON = flags.DEFINE_string("json", None, "File to write the numbers to.")


class Cluster(NamedTuple):
    """Published figures of a chip and its interconnects.

    Attributes:
      peak: dense bfloat16 FLOP/s of one chip.
      inner: bytes/s that one chip can send over all its fast links together.
      group: number of chips that the fast links connect.
      outer: bytes/s per chip, one way, over the network between groups.
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
    """Seconds of an all-reduce that is limited by bandwidth.

    In a ring of n chips each chip sends 2 (n - 1) / n of the array. With
    several groups, each group does a reduce-scatter, the groups all-reduce
    each chip's part, and each group gathers. Latency is left out, and all
    groups are taken to be complete.

    Args:
      size: bytes of the array, the same on every chip.
      chips: number of chips; with several groups a multiple of the group.
      cluster: figures of the chips.
    """
    inside = min(chips, cluster.group)
    groups = math.ceil(chips / cluster.group)
    seconds = 2 * (inside - 1) / inside * size / cluster.inner
    return seconds + (2 * (groups - 1) / groups * size / inside / cluster.outer)


def compute_seconds(
    flops: float, cluster: Cluster, utilisation: float
) -> float:
    """Seconds for these FLOPs on one chip at a share of its peak."""
    return flops / (cluster.peak * utilisation)


def bound_below(
    flops: float, size: float, chips: int, cluster: Cluster, utilisation: float
) -> float:
    """Pairs of images per chip below which communication limits the step.

    Args:
      flops: FLOPs of one pair, a labelled and an unlabelled image.
      size: bytes that a step all-reduces; independent of the batch.
      chips: number of chips of the run.
      cluster: figures of the chips.
      utilisation: share of the peak that the computation reaches.
    """
    seconds = all_reduce_seconds(size, chips, cluster)
    return seconds / compute_seconds(flops, cluster, utilisation)


def latency_budget(
    flops: float, count: int, cluster: Cluster, utilisation: float
) -> float:
    """Seconds per all-reduce at which `count` of them equal the computation.

    Args:
      flops: FLOPs of a step on one chip.
      count: number of small all-reduces that run one after another.
      cluster: figures of the chip.
      utilisation: share of the peak that the computation reaches.
    """
    return compute_seconds(flops, cluster, utilisation) / count


def input_bytes(
    image_bytes: float, flops: float, cluster: Cluster, utilisation: float
) -> float:
    """Bytes/s of encoded images that a chip consumes if only compute limits.

    Args:
      image_bytes: bytes of one encoded image; a pair has two images.
      flops: FLOPs of one pair.
      cluster: figures of the chip.
      utilisation: share of the peak that the computation reaches.
    """
    return 2 * image_bytes / compute_seconds(flops, cluster, utilisation)


def rows(
    flops: float, size: float, small: int, utilisation: float, chips: list[int]
) -> list[dict]:
    """One row per kind of chip and number of chips, in seconds and pairs."""
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
    """Formats the rows as a Markdown table."""
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
    """Calculates the rows, prints the table and writes the JSON file."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
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
