"""Small workdirs and scores to make reports from."""

import json
import math
import pathlib

import numpy as np

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.report import val_evaluation

NAMES = ("sky", "road", "tree", "sign")
# A hostile text for every place where a user can name something.
HOSTILE = '<script>alert("1")</script>&amp;\'</style>'
PALETTE = ((20, 20, 20), (220, 60, 50), (60, 140, 230), (240, 200, 40))


def metrics(steps, classes):
    """Lines of a metrics.jsonl with a log every 2 steps and 4 evaluations."""
    lines = []
    for step in range(2, steps + 1, 2):
        fall = math.exp(-step / 20)
        lines.append(
            {
                "step": step,
                "loss": 1.2 * fall,
                "loss_x": 1.5 * fall,
                "loss_u": 0.5 * fall,
                "loss_ip": 0.2 * fall,
                "confident_share": 1 - fall,
                "inter_pixel_share": 0.9 * (1 - fall),
                "confident_share_by_class": [
                    (1 - fall) / (k + 1) for k in range(classes)
                ],
                "learning_rate": 0.01 * (1 - step / steps),
                "grad_norm": 1 + fall,
                "steps_per_second": 2.0,
                "images_per_second": 16.0,
            }
        )
        if step % 10 == 0:
            iou = [20.0 + step / 2 + k for k in range(classes)]
            lines.append(
                {
                    "step": step,
                    "val_miou_student": float(np.mean(iou)),
                    "val_miou_teacher": float(np.mean(iou)) - 3,
                    "val_iou_student": iou,
                    "val_iou_teacher": [v - 3 for v in iou],
                }
            )
    return lines


def write_run(workdir: pathlib.Path, *, names=NAMES, finished=True, **config):
    """Writes a workdir without checkpoints; `config` has dotted field names."""
    workdir.mkdir(parents=True, exist_ok=True)
    c = shapes_config.get_config()
    c.train.steps = 40
    c.update_from_flattened_dict(config)
    (workdir / "config.json").write_text(json.dumps(c.to_dict()))
    lines = metrics(40 if finished else 30, len(names))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (workdir / "metrics.jsonl").write_text(text)
    if finished:
        last = lines[-1]
        part = {
            "network": "student",
            "step": 40,
            "val": {
                "miou": last["val_miou_student"],
                "iou": last["val_iou_student"],
            },
            "test": {"miou": 33.25, "iou": [33.25] * len(names)},
        }
        results = {
            "best": part,
            "last": part,
            "class_names": list(names),
            "made_with": {"devices": "8 x cpu", "python": "3.99.1"},
            "files": {},
        }
        (workdir / "results.json").write_text(json.dumps(results))
    return workdir


def val_result(names=NAMES, images=4, size=(60, 90), image_name="val/{}.jpg"):
    """Scores of two networks; the teacher is better, its images are striped."""
    rng = np.random.default_rng(0)
    shown = []
    for i in range(images):
        truth = np.zeros(size, np.uint8)
        truth[:, size[1] // 2 :] = 1 + i % (len(names) - 1)
        truth[:3] = 255
        ids = {"student": np.roll(truth, 12, 1), "teacher": truth.copy()}
        ids["student"][:3] = ids["teacher"][:3] = 0
        image = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
        counts = {name: count(truth, x, len(names)) for name, x in ids.items()}
        seen = val_evaluation.ScoredImage(i, image, truth, ids, counts)
        name = image_name.format(i)
        shown.append(val_evaluation.ShownImage(name, 10.0 * i, seen))
    totals = {
        name: sum(one.scored.confusions[name] for one in shown)
        for name in ("student", "teacher")
    }
    half = -(-images // 2)
    return val_evaluation.ValResult(
        step=40,
        better="teacher",
        confusions=totals,
        worst=shown[:half],
        best=shown[half:][::-1],
        class_names=tuple(names),
        palette=PALETTE,
        bad=[],
    )


def count(truth, ids, classes):
    """The confusion matrix of one image, pixel by pixel."""
    matrix = np.zeros((classes, classes), np.int64)
    for true, found in zip(truth.ravel(), ids.ravel(), strict=True):
        if true < classes:
            matrix[true, found] += 1
    return matrix
