"""Suggests which unlabelled images of a run to label next."""

import csv
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ipixmatch_jax.experiment import restore
from ipixmatch_jax.suggest import contact_sheet
from ipixmatch_jax.suggest.examination import (
    Examiner,
    Plan,
    Summary,
    make_plan,
)
from ipixmatch_jax.suggest.selection import choose_spread, score_images
from ipixmatch_jax.utils import atomic
from ipixmatch_jax.utils.file_names import printable

SHOWN = 60  # The most images on the contact sheet, so that viewers can open it.


class Row(NamedTuple):
    """A line of suggestions.csv; docs/suggest.md explains the columns.

    `name` is printable, see utils/file_names.py. `disagreement` is None if the
    run has one network, `suggested` is None if the image was not chosen.
    """

    name: str
    entropy: float
    disagreement: float | None
    score: float
    cluster: int
    suggested: int | None


class Suggestions(NamedTuple):
    """What to label next.

    Attributes:
      rows: all images that could be read: the chosen ones in the order of
        the choice, then the others by falling score.
      sheet: uint8 [H, W, 3], the contact sheet of the first chosen.
      bad: a sentence per image that cannot be used.
      files: (path, name below the data set's root) of the chosen images, in
        the order of the choice; without those that are not files of their own.
    """

    rows: list[Row]
    sheet: np.ndarray
    bad: list[str]
    files: list[tuple[str, str]]

    @property
    def names(self) -> list[str]:
        """The chosen images."""
        return [row.name for row in self.rows if row.suggested is not None]


def suggest_images(
    workdir: pathlib.Path, count: int, root: str | None = None
) -> Suggestions:
    """Chooses among the unlabelled images of a run.

    Args:
      workdir: of the run; the networks are those of its best checkpoint.
      count: how many to choose; all, if there are fewer.
      root: the data set's folder, if it moved.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    if count < 1:
        raise ValueError(f"-n {count} asks for no images; give at least 1.")
    run = restore.restore_networks(workdir, "best", root)
    data, _ = restore.open_run_data(workdir, run.config)
    if not len(data.unlabelled):
        raise ValueError(
            f"The data set of {workdir} has no unlabelled images to choose "
            "from: add images without a mask."
        )
    examiner = Examiner(run)
    plan, labelled = (
        make_plan(source, run.network)
        for source in (data.unlabelled, data.labelled)
    )
    total = len(plan.sizes) + len(labelled.sizes)
    with tqdm(total=total, unit="image", desc="examining") as bar:
        examined = examiner.summarise(plan, bar.update)
        labelled_ones = examiner.summarise(labelled, bar.update)
    if not len(examined.positions):
        raise ValueError(
            f"None of the {len(data.unlabelled)} unlabelled images can be "
            f"used: {plan.bad[0]}"
        )
    count = min(count, len(examined.positions))
    rows, chosen = _choose(
        plan, examined, labelled_ones, count, examiner.members > 1
    )
    shown = dict(zip(chosen[:SHOWN], rows, strict=False))
    sheet = _draw(examiner, plan, shown)
    named = ((plan.source.path(i), plan.source.name(i)) for i in chosen)
    files = [(path, name) for path, name in named if path is not None]
    return Suggestions(rows, sheet, plan.bad + labelled.bad, files)


def _choose(
    plan: Plan,
    examined: Summary,
    labelled_ones: Summary,
    count: int,
    disagree: bool,
) -> tuple[list[Row], list[int]]:
    """The rows, the chosen ones first, and the positions of these."""
    disagreement = examined.disagreement if disagree else None
    scores = score_images(examined.entropy, disagreement)
    chosen, cluster = choose_spread(
        examined.features, scores, count, labelled_ones.features
    )
    place = {at: i for i, at in enumerate(chosen.tolist(), 1)}
    rest = [i for i in np.argsort(-scores, stable=True) if i not in place]
    rows = [
        Row(
            name=printable(plan.source.name(int(examined.positions[i]))),
            entropy=float(examined.entropy[i]),
            disagreement=float(examined.disagreement[i]) if disagree else None,
            score=float(scores[i]),
            cluster=int(cluster[i]),
            suggested=place.get(i),
        )
        for i in [*chosen.tolist(), *rest]
    ]
    return rows, examined.positions[chosen].tolist()


def _draw(examiner: Examiner, plan: Plan, shown: dict[int, Row]) -> np.ndarray:
    """Draws the contact sheet of some rows; computes their maps again."""
    pairs = {}
    for images in examiner.examine_images(plan, list(shown)):
        for one in images:
            row = shown[one.position]
            says = f"entropy {row.entropy:.3f}, "
            if row.disagreement is not None:
                says += f"disagreement {row.disagreement:.4f}, "
            pairs[one.position] = contact_sheet.make_pair(
                one.image,
                np.asarray(one.examination.entropy_map),
                f"{row.suggested}. {row.name}",
                says + f"score {row.score:.2f}",
            )
    return contact_sheet.draw_sheet([pairs[i] for i in shown if i in pairs])


def write_suggestions(
    suggestions: Suggestions, out: pathlib.Path
) -> list[pathlib.Path]:
    """Writes the list, the table and the sheet; returns their paths.

    Args:
      suggestions: what to write.
      out: the folder, which is made if it does not exist.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"suggestions.{kind}" for kind in ("txt", "csv", "png")]
    names = "".join(f"{name}\n" for name in suggestions.names)
    with atomic.replace_file(paths[0]) as partial:
        partial.write_text(names, encoding="utf-8")
    with (
        atomic.replace_file(paths[1]) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(suggestions.rows)
    with atomic.replace_file(paths[2]) as partial:
        Image.fromarray(suggestions.sheet).save(partial, format="PNG")
    return paths
