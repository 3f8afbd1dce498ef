"""TPUs to compile for where there are none."""

import os

import jax
from jax.experimental import topologies


def devices(name: str) -> list[jax.Device]:
    """Of a TPU slice: programs can be compiled for them, and not run.

    Needs libtpu (jax's extra "tpu") and no TPU.

    Args:
      name: as libtpu has it, such as v5e:2x4 or v4:2x2x1.

    Raises:
      ValueError: libtpu is not installed or does not know the name.
    """
    # Else libtpu asks a metadata server, for minutes, which machine this is.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    try:
        found = topologies.get_topology_desc(name, "tpu")
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"--topology={name} cannot be compiled for: "
            f"{str(error).splitlines()[0]} It needs libtpu, which "
            '`pip install "jax[tpu]"` brings, and a name such as v5e:2x4.'
        ) from error
    return list(found.devices)
