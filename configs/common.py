"""What the recipes share: the fields with their defaults, and the argument.

A recipe of your own starts the same way, wherever its file lies:

    from ipixmatch_jax.configs import common

    def get_config(arg=""):
        c = common.base()
        ...
        return c
"""

from ipixmatch_jax.configs import methods
from ipixmatch_jax.configuration.base import base

__all__ = ["base", "parse"]


def parse(
    arg: str, splits: tuple[str, ...], default: str, method: str = "unimatch"
) -> tuple[str, str, str]:
    """`<backbone>_<split>[,method=<method>]` as its three words.

    Args:
      arg: of the config; empty means the default.
      splits: the data set's; none where the argument has no split.
      default: such as "r101_1_8".
      method: where the argument names none.

    Raises:
      ValueError: a word is wrong; the right ones are listed.
    """
    backbones = ("r50", "r101", "tiny")
    words, named, rest = arg.partition("method=")
    words = words.removesuffix(",") if named else words
    backbone, _, split = (words or default).partition("_")
    method = rest if named else method
    if named and method not in methods.NAMES:
        raise ValueError(
            f"The config argument {arg!r} names no method: the methods are "
            f"{' '.join(methods.NAMES)}; for example "
            f"{default},method={methods.NAMES[0]}."
        )
    if backbone not in backbones or split not in (splits or ("",)):
        form = "<backbone>_<split>" if splits else "<backbone>"
        listed = f", the splits are {' '.join(splits)}" if splits else ""
        raise ValueError(
            f"The config argument {arg!r} is not "
            f"{form}[,method=<method>]: the backbones are "
            f"{' '.join(backbones)}{listed}; for example {default}."
        )
    return backbone, split, method
