"""XLA's flags of a run, kept in its workdir.

Another flag may add numbers in another order: a run that continues with it is
no longer the same bit for bit.
"""

import os
import pathlib
from collections.abc import Mapping

from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "xla_flags.json"
_FIELD = "XLA_FLAGS"
_WAY_OUT = "remove it; the run then does not say whether the flags changed"


def write_flags(
    workdir: pathlib.Path, environment: Mapping[str, str] = os.environ
) -> None:
    """Writes the flags of this process into a run's workdir."""
    write_json(workdir / FILE, {_FIELD: _flags_of(environment)})


def list_changed_flags(
    workdir: pathlib.Path, environment: Mapping[str, str] = os.environ
) -> list[str]:
    """Words on the flags, where they are not those of the run in a workdir.

    None where the run recorded no flags.

    Raises:
      ValueError: the file is not what the run wrote.
    """
    path = workdir / FILE
    if not path.exists():
        return []
    then = read_json_object(path, _WAY_OUT).get(_FIELD)
    now = _flags_of(environment)
    if then == now:
        return []
    return [f"{_FIELD} is {then!r} there and {now!r} here"]


def _flags_of(environment: Mapping[str, str]) -> str:
    """In alphabetical order, as their order does not matter."""
    return " ".join(sorted(environment.get(_FIELD, "").split()))
