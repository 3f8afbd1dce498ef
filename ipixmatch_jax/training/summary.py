"""Writes a finished run's results.json and pictures.png, and makes a table."""

import pathlib
from typing import Any

import jax
import numpy as np
from PIL import Image

from ipixmatch_jax.checkpoints import folders
from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.data.source import pixels
from ipixmatch_jax.evaluate import evaluator, results_table
from ipixmatch_jax.evaluate.scores import score_networks
from ipixmatch_jax.training.setup import Parts
from ipixmatch_jax.training.writer import Writer
from ipixmatch_jax.utils import atomic, captions, pictures, versions
from ipixmatch_jax.utils.atomic import write_json

_PICTURES = 4  # validation images in the grid


def write_summary(
    parts: Parts,
    checkpoints: Checkpoints,
    writer: Writer,
    workdir: pathlib.Path,
    networks: dict,
    step: int,
    best: Saved,
    on_val: dict[str, np.ndarray] | None = None,
) -> str:
    """Scores the last and the best checkpoint and writes the results.

    Args:
      parts: the run's.
      checkpoints: the run's.
      writer: gets the picture grid.
      workdir: gets results.json and pictures.png.
      networks: the last "student" and, with a moving average, "teacher",
        or with two students "twin".
      step: steps done.
      best: the best evaluation on val.
      on_val: the last networks' confusion matrices on val, where they have
        just been scored; see scores.score_networks.

    Returns:
      a table and the paths of what was written, for a person.
    """
    last = score_networks(parts.evaluate, parts.data, networks, step, on_val)
    result: dict[str, Any] = {"best": last, "last": last}
    if best.step != step and best.score >= last["val"]["miou"]:
        step = best.step
        like = jax.tree.map(_like, networks)
        networks = checkpoints.restore(step, like)
        chosen = {best.network: networks[best.network]}
        result["best"] = score_networks(
            parts.evaluate, parts.data, chosen, step
        )
    picture = picture_grid(parts, networks, result["best"]["network"])
    writer.write_picture(step, "val", picture)
    result["class_names"] = list(parts.data.class_names)
    result["made_with"] = versions.made_with()
    result["files"] = {
        "best checkpoint": str(workdir / folders.FOLDER / str(step)),
        "metrics": str(workdir / "metrics.jsonl"),
        "pictures (image, truth, prediction, uncertainty)": str(
            workdir / "pictures.png"
        ),
    }
    # Every process scores its part; one of them writes.
    if jax.process_index() == 0:
        with atomic.replace_file(workdir / "pictures.png") as partial:
            Image.fromarray(picture).save(partial, format="PNG")
        write_json(workdir / "results.json", result)
    files = [f"{what}: {path}" for what, path in result["files"].items()]
    return "\n".join([results_table.format_run(result), *files])


def _like(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(
        array.shape, array.dtype, sharding=array.sharding
    )


def picture_grid(parts: Parts, networks: dict, chosen: str) -> np.ndarray:
    """uint8 [H, W, 3]: rows of image, truth, prediction, uncertainty.

    The prediction is the chosen network's; the uncertainty (1 - the largest
    probability) is that of the network that labels: the teacher, or the chosen
    network where there is none. A legend names the colours.
    """
    labeller = "teacher" if "teacher" in networks else chosen
    teacher = networks[labeller]
    palette = parts.data.palette
    rows = []
    count = min(_PICTURES, len(parts.data.val))
    for i in np.linspace(0, len(parts.data.val) - 1, count).astype(int):
        sample = parts.data.val[int(i)]
        image = pixels(sample.image)
        sizes = np.asarray([image.shape[:2]], np.int32)
        predict = evaluator.predict_classes
        prediction, _ = predict(
            parts.network, networks[chosen], image[None], sizes
        )
        _, confidence = predict(parts.network, teacher, image[None], sizes)
        rows.append(
            [
                pictures.to_rgb(image),
                pictures.colour_mask(np.asarray(sample.mask), palette),
                pictures.colour_mask(np.asarray(prediction[0]), palette),
                pictures.colour_uncertainty(1 - np.asarray(confidence[0])),
            ]
        )
    headings = (
        "image",
        "truth",
        f"prediction of the {chosen}",
        f"uncertainty of the {labeller} (white: unsure)",
    )
    widest = max(rows, key=lambda row: row[0].shape[1])
    picture = captions.add_headings(
        pictures.arrange_grid(rows), headings, pictures.column_starts(widest)
    )
    names = zip(parts.data.class_names, palette, strict=True)
    return captions.add_legend(picture, list(names))
