"""The command that says which unlabelled images to label next:

python -m ipixmatch_jax.suggest --workdir DIR -n 20
"""

import csv
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ipixmatch_jax.experiment import restore
from ipixmatch_jax.suggest import contact_sheet
from ipixmatch_jax.suggest import scores as suggest
from ipixmatch_jax.suggest.images import Looker, Plan, Summary, make_plan
from ipixmatch_jax.utils import atomic

SHOWN = 60  # Images on the contact sheet; it must still open.


class Row(NamedTuple):
    """A line of suggestions.csv; docs/suggest.md explains the columns.

    `disagreement` is None of a single network, `suggested` is None of an
    image that was not chosen.
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
      rows: all images that were looked at: the chosen, in the order of the
        choice, then the others by falling score.
      sheet: uint8 [H, W, 3], the contact sheet of the first chosen.
      bad: a sentence per image that cannot be used.
    """

    rows: list[Row]
    sheet: np.ndarray
    bad: list[str]

    @property
    def names(self) -> list[str]:
        """The chosen images."""
        return [row.name for row in self.rows if row.suggested is not None]


def suggest_images(
    workdir: pathlib.Path, count: int, root: str | None = None
) -> Suggestions:
    """Chooses among a run's unlabelled images.

    Args:
      workdir: the run's; the networks are its best checkpoint's.
      count: how many to choose; more than there are chooses all.
      root: the data set's folder, if it is not where it was.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    if count < 1:
        raise ValueError(f"-n {count} asks for no image; give at least 1.")
    run = restore.restore(workdir, "best", root)
    data, _ = restore.open_run_data(workdir, run.config)
    if not len(data.unlabelled):
        raise ValueError(
            f"The data set of {workdir} has no unlabelled images to choose "
            "from: add images without a mask."
        )
    looker = Looker(run)
    plan, labelled = make_plan(data.unlabelled), make_plan(data.labelled)
    total = len(plan.sizes) + len(labelled.sizes)
    with tqdm(total=total, unit="image", desc="looking") as bar:
        seen = looker.summarise(plan, bar.update)
        known = looker.summarise(labelled, bar.update)
    if not len(seen.indices):
        raise ValueError(
            f"None of the {len(data.unlabelled)} unlabelled images can be "
            f"used: {plan.bad[0]}"
        )
    count = min(count, len(seen.indices))
    rows, chosen = _choose(plan, seen, known, count, looker.members > 1)
    shown = dict(zip(chosen[:SHOWN], rows, strict=False))
    sheet = _draw(looker, plan, shown)
    return Suggestions(rows, sheet, plan.bad + labelled.bad)


def _choose(
    plan: Plan, seen: Summary, known: Summary, count: int, disagree: bool
) -> tuple[list[Row], list[int]]:
    """The rows, the chosen first, and the chosen ones' positions."""
    disagreement = seen.disagreement if disagree else None
    scores = suggest.score(seen.entropy, disagreement)
    chosen, cluster = suggest.spread(
        seen.features, scores, count, known.features
    )
    place = {at: i for i, at in enumerate(chosen.tolist(), 1)}
    rest = [i for i in np.argsort(-scores, stable=True) if i not in place]
    rows = [
        Row(
            name=plan.source.name(int(seen.indices[i])),
            entropy=float(seen.entropy[i]),
            disagreement=float(seen.disagreement[i]) if disagree else None,
            score=float(scores[i]),
            cluster=int(cluster[i]),
            suggested=place.get(i),
        )
        for i in [*chosen.tolist(), *rest]
    ]
    return rows, seen.indices[chosen].tolist()


def _draw(looker: Looker, plan: Plan, shown: dict[int, Row]) -> np.ndarray:
    """The sheet of some rows by position; their maps are made again."""
    pairs = {}
    for looks in looker.look(plan, list(shown)):
        for one in looks:
            row = shown[one.index]
            says = f"entropy {row.entropy:.3f}, "
            if row.disagreement is not None:
                says += f"disagreement {row.disagreement:.4f}, "
            pairs[one.index] = contact_sheet.pair(
                one.image,
                one.examined.entropy_map,
                f"{row.suggested}. {row.name}",
                says + f"score {row.score:.2f}",
            )
    return contact_sheet.sheet([pairs[i] for i in shown if i in pairs])


def write(suggestions: Suggestions, out: pathlib.Path) -> list[pathlib.Path]:
    """Writes the list, the table and the sheet; returns their paths.

    Args:
      suggestions: what to write.
      out: a folder, made if it is not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"suggestions.{kind}" for kind in ("txt", "csv", "png")]
    names = "".join(f"{name}\n" for name in suggestions.names)
    with atomic.replacing(paths[0]) as partial:
        partial.write_text(names, encoding="utf-8")
    with (
        atomic.replacing(paths[1]) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(suggestions.rows)
    with atomic.replacing(paths[2]) as partial:
        Image.fromarray(suggestions.sheet).save(partial, format="PNG")
    return paths
