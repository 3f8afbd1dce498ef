"""The maps of a pair that the inter-pixel term compares."""

from typing import NamedTuple

from jax import Array

from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.methods.base import Consistency
from ipixmatch_jax.models.layers.area_average import (
    average_areas,
    most_of_area,
)

# Values of the field inter_pixel.on.
LOGITS, HEAD, GRID, FEATURES = "logits", "head", "grid", "features"


class ComparedMaps(NamedTuple):
    """What inter_pixel_loss takes of a pair.

    Attributes:
      student: float [B, h, w, C], logits or features.
      teacher: as the student's.
      valid: bool [B, h, w].
      gate_logits: float32 [B, h, w, K], the teacher's logits that say where
        it is confident, beside features; None: its logits are compared.
    """

    student: Array
    teacher: Array
    valid: Array
    gate_logits: Array | None = None


def compared_maps(
    pair: Consistency, on: str, encoder_stride: int
) -> ComparedMaps:
    """Student's and teacher's maps and the valid cells, on the chosen map.

    A cell of a coarser map is valid where at least half of the pixels under
    it are. Whether it is confident is for the loss to say, from the teacher's
    logits on that map. All of this is ours.

    Args:
      pair: of a method, already CutMixed.
      on: "logits": the logits at the images' size; "head": the head's own
        map, before it is brought to that size; "grid": the head's map,
        averaged over the cells of the encoder's coarsest map; "features": the
        head's features, with the head's logits averaged over their cells.
      encoder_stride: of that map, in pixels; used by "grid" alone.

    Raises:
      ValueError: `on` needs a map that the pair does not have.
    """
    if on == LOGITS:
        return ComparedMaps(
            pair.student.logits, pair.teacher.logits, pair.valid
        )
    if on == FEATURES:
        return _compared_features(pair)
    student, teacher = pair.student.head_logits, pair.teacher.head_logits
    if student is None or teacher is None:
        raise ValueError(
            f"config.inter_pixel.on={on} compares the head's own map, and a "
            "pair of this method holds logits at the images' size alone: set "
            "it to logits, or give the pair what `forward` returned."
        )
    if on == GRID:
        grid = tuple(
            -(-side // encoder_stride) for side in pair.valid.shape[1:]
        )
        student = average_areas(student, grid)
        teacher = average_areas(teacher, grid)
    valid = most_of_area(pair.valid, student.shape[1:3])
    return ComparedMaps(student, teacher, valid)


def _compared_features(pair: Consistency) -> ComparedMaps:
    student, teacher = pair.student.features, pair.teacher.features
    logits = pair.teacher.head_logits
    if student is None or teacher is None or logits is None:
        raise ValueError(
            "config.inter_pixel.on=features compares the head's features, and "
            "a pair of this method holds none: set it to logits with "
            "another inter_pixel.relation, or give the pair what `forward` "
            "returned."
        )
    size = student.shape[1:3]
    valid = most_of_area(pair.valid, size)
    return ComparedMaps(student, teacher, valid, average_areas(logits, size))


def readings_on(on: str) -> list[tuple[str, str]]:
    """The readings, as relation and distance, that can compare a map."""
    return [
        (pair[0], pair[1])
        for pair, reading in READINGS.items()
        if reading.of_features == (on == FEATURES)
    ]


def check_map(relation: str, distance: str, on: str) -> None:
    """Raises ValueError if a reading cannot compare the chosen map."""
    if (relation, distance) in readings_on(on):
        return
    if on != FEATURES:
        raise ValueError(
            f"config.inter_pixel.relation={relation} compares the head's "
            f"features, not logits: add --config.inter_pixel.on={FEATURES}."
        )
    names = dict.fromkeys(name for name, _ in readings_on(FEATURES))
    raise ValueError(
        f"config.inter_pixel.on={FEATURES} goes with the relation "
        f"{' or '.join(names)}, and {relation} compares logits: set "
        f"config.inter_pixel.on to {LOGITS}, {HEAD} or {GRID}."
    )
