"""The licences of the weights that a run can start from."""

from typing import NamedTuple

from ml_collections import FrozenConfigDict

from ipixmatch_jax.models.weights.hub import parse_name


class Licence(NamedTuple):
    """What is known of the licence of a run's starting weights.

    Attributes:
      identifier: of the hub, such as "apache-2.0"; "" if it is not known.
      sentence: for the model card.
      name: of a licence that the hub calls "other".
      link: to its text.
      binding: whether derived models must carry it.
    """

    identifier: str
    sentence: str
    name: str = ""
    link: str = ""
    binding: bool = False


_DINOV3 = Licence(
    "other",
    "It started from DINOv3 weights of Meta, whose DINOv3 License derived "
    "models must carry.",
    "dinov3-license",
    "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
    binding=True,
)
_DINOV2 = Licence(
    "apache-2.0", "It started from DINOv2 weights of Meta (Apache-2.0)."
)
_RANDOM = Licence("", "It started from random weights.")


def find_licence(config: FrozenConfigDict) -> Licence:
    """The licence of the weights that a run started from.

    The names are those of the backbones and of the hub. A file from elsewhere
    that has another licence is not recognised.

    Args:
      config: of the run.
    """
    model = config.model
    if not model.pretrained:
        return _RANDOM
    for family, licence in (("dinov3", _DINOV3), ("dinov2", _DINOV2)):
        if model.backbone.startswith(family):
            return licence
    named = parse_name(str(model.pretrained))
    what = named.repository if named else "a file"
    return Licence(
        "",
        f"It started from the weights of {what}, whose licence is not recorded "
        "here and holds for this model too.",
    )


def choose_licence(own: str, weights: Licence) -> Licence:
    """The licence of a published model.

    Args:
      own: what its publisher chose, such as "apache-2.0", or "".
      weights: of the weights that it started from.

    Raises:
      ValueError: those must be carried, and the choice is another.
    """
    if not own or own == weights.identifier:
        return weights
    if weights.binding:
        raise ValueError(
            f"--license {own} does not fit this run, which started from "
            f"weights under the {weights.name}: leave the option out."
        )
    return Licence(own, weights.sentence)
