"""The maps of a pair that the inter-pixel term compares."""

from jax import Array

from ipixmatch_jax.methods.base import Consistency
from ipixmatch_jax.models.layers.area_average import (
    average_areas,
    most_of_area,
)


def compared_maps(
    pair: Consistency, on: str, encoder_stride: int
) -> tuple[Array, Array, Array]:
    """Student's logits, teacher's logits and valid cells, on the chosen map.

    A cell of a coarser map is valid where at least half of the pixels under
    it are. Whether it is confident is for the loss to say, from the teacher's
    logits on that map. All of this is ours.

    Args:
      pair: of a method, already CutMixed.
      on: "logits": the logits at the images' size; "head": the head's own
        map, before it is brought to that size; "grid": the head's map,
        averaged over the cells of the encoder's coarsest map.
      encoder_stride: of that map, in pixels; used by "grid" alone.

    Returns:
      float32 [B, h, w, C], float32 [B, h, w, C] and bool [B, h, w].

    Raises:
      ValueError: `on` needs the head's map, and the pair has none.
    """
    if on == "logits":
        return pair.student.logits, pair.teacher.logits, pair.valid
    student, teacher = pair.student.head_logits, pair.teacher.head_logits
    if student is None or teacher is None:
        raise ValueError(
            f"config.inter_pixel.on={on} compares the head's own map, and a "
            "pair of this method holds logits at the images' size alone: set "
            "it to logits, or give the pair what `forward` returned."
        )
    if on == "grid":
        grid = tuple(
            -(-side // encoder_stride) for side in pair.valid.shape[1:]
        )
        student = average_areas(student, grid)
        teacher = average_areas(teacher, grid)
    return student, teacher, most_of_area(pair.valid, student.shape[1:3])
