"""A cell that has ended, without training it."""

import pathlib

from ipixmatch_jax.utils.atomic import write_json


def write_results(workdir: pathlib.Path, miou: float) -> None:
    """Writes results.json with this mIoU on val, best and last."""
    scores = {"miou": miou, "iou": [miou]}
    part = {"network": "student", "step": 4, "val": scores}
    results = {"best": part, "last": part, "class_names": ["one"]}
    write_json(workdir / "results.json", results)
