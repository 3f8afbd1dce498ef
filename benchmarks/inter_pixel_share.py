"""Measures each reading's share of the time of a config's train step:

python -m benchmarks.inter_pixel_share --config configs/voc.py:r101_1_8

Times the step of benchmarks/step.py, on noise, with the inter-pixel term and
without it. The flags of benchmarks/step.py (--steps, --json, ...) work here
too. affinity/kl, whose time grows with the square of the number of pixels, is
also measured with a stride of 4: 81x81 of 321x321 pixels.
"""

import json
import logging
import pathlib
import sys

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict

from benchmarks import step
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.methods.compared_maps import FEATURES, LOGITS

ROWS = [("/".join(pair), 1) for pair in READINGS] + [("affinity/kl", 4)]
_READINGS = flags.DEFINE_list(
    "readings",
    list(dict.fromkeys(name for name, _ in ROWS)),
    "Readings to measure, as relation/distance.",
)


def with_term(config: ConfigDict, reading: str, stride: int) -> ConfigDict:
    """A copy of the config with this reading at weight 1."""
    config = config.copy_and_resolve_references()
    term = config.inter_pixel
    term.relation, _, term.distance = reading.partition("/")
    term.weight, term.stride = 1.0, stride
    if READINGS[term.relation, term.distance].of_features:
        term.on = FEATURES
    elif term.on == FEATURES:
        term.on = LOGITS
    validate.check_config(config)
    return config


def without_term(config: ConfigDict) -> ConfigDict:
    """A copy of the config without the term."""
    config = config.copy_and_resolve_references()
    config.inter_pixel.weight = 0.0
    validate.check_config(config)
    return config


def share(host_seconds: float, seconds: float) -> float:
    """Share of the step with the term that the term itself takes."""
    return 1 - host_seconds / seconds


def measure(config: ConfigDict, readings: list[str], steps: int) -> list[dict]:
    """One row for the host without the term and one for each reading."""
    configs = [("host", 1, without_term(config))]
    configs += [
        (name, stride, with_term(config, name, stride))
        for name, stride in ROWS
        if name in readings
    ]
    rows = []
    for name, stride, config in configs:
        result = step.measure(config, steps)
        seconds = result["seconds_per_step"]
        host = rows[0]["seconds_per_step"] if rows else seconds
        row = {"reading": name, "stride": stride, "share": share(host, seconds)}
        rows.append(row | result)
    return rows


def table(rows: list[dict]) -> str:
    """Formats the rows as a Markdown table."""
    lines = [
        "| reading | stride | seconds a step | share |",
        "|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['reading']} | {row['stride']} | "
            f"{row['seconds_per_step']:.4g} | {row['share']:.1%} |"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Measures, prints the table and writes the JSON file."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    jax.config.update("jax_enable_compilation_cache", False)
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("ipixmatch_jax").setLevel(logging.ERROR)
    try:
        rows = measure(step.CONFIG.value, _READINGS.value, step.STEPS.value)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"benchmarks.inter_pixel_share: {error}")
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}\n")
    print(table(rows))
    if step.JSON.value:
        text = json.dumps(rows, indent=1) + "\n"
        pathlib.Path(step.JSON.value).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main)
