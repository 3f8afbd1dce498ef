"""TPU devices to compile for on a machine without TPUs."""

import os

import jax
from jax.experimental import topologies


def devices(name: str) -> list[jax.Device]:
    """The devices of a TPU slice that need not be present.

    Programs can be compiled for them but not run. Needs libtpu (jax's extra
    "tpu").

    Args:
      name: libtpu's name of the slice, such as v5e:2x4 or v4:2x2x1.

    Raises:
      ValueError: libtpu is not installed or does not know the name.
    """
    # Otherwise libtpu waits minutes for a metadata server that is not there.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    try:
        found = topologies.get_topology_desc(name, "tpu")
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"Cannot compile for --topology={name}: "
            f"{str(error).splitlines()[0]} It needs libtpu "
            '(`pip install "jax[tpu]"`) and a name such as v5e:2x4.'
        ) from error
    return list(found.devices)
