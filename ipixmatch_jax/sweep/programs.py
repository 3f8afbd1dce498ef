"""Compiled programs that the cells of a sweep share."""

import json

from ml_collections import ConfigDict

from ipixmatch_jax.data import registry
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment.data import match_data, open_data
from ipixmatch_jax.sweep import grid
from ipixmatch_jax.training import setup

# Fields that no compiled program depends on; see setup.build.
_OUTSIDE_DATA = ("name", "root", "splits_dir", "split")
_OUTSIDE = {
    "train": ("eval_every", "save_every", "log_every"),
    "data": (
        *_OUTSIDE_DATA,
        *("holdout", "tfds", "image_feature", "mask_feature"),
        "num_workers",
    ),
}


def program_key(config: ConfigDict) -> str:
    """A key that is equal for configs with the same compiled programs."""
    fields = grid.to_plain(config)
    del fields["seed"]
    for section, names in _OUTSIDE.items():
        for name in names:
            del fields[section][name]
    if config.inter_pixel.weight == 0:
        del fields["inter_pixel"]
    return json.dumps(fields, sort_keys=True)


class Programs:
    """Builds runs that share the compiled programs of the run before.

    Only the last programs are kept, so that a long sweep does not fill the
    memory. Build runs with equal programs one after the other.
    """

    def __init__(self):
        self._data: dict[tuple, registry.DataSet] = {}
        self._key: str | None = None
        self._parts: setup.Parts | None = None

    def open_data(self, config: ConfigDict) -> registry.DataSet:
        """The data set of a config, which is opened and checked once."""
        fields = _OUTSIDE_DATA + registry.OPTIONS.get(config.data.name, ())
        key = tuple(config.data[field] for field in fields)
        if key not in self._data:
            self._data[key] = open_data(config)
        match_data(config, self._data[key])
        return self._data[key]

    def check_config(self, config: ConfigDict) -> None:
        """Refuses what setup.build would refuse, without building anything.

        Raises:
          ValueError, FileNotFoundError: the batch, devices or data do not fit.
        """
        if config.train.batch_size == 0:
            raise ValueError(
                "A sweep compares runs with the same batch size: give "
                "config.train.batch_size a number instead of 0."
            )
        mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
        sharding.check_batch(
            config.train.batch_size, mesh, config.train.accumulate
        )
        self.open_data(config)

    def build(self, config: ConfigDict) -> setup.Parts:
        """Builds a run; see setup.build."""
        data, key = self.open_data(config), program_key(config)
        if self._parts is None or key != self._key:
            # Freed first: two do not fit into the memory.
            self._key, self._parts = None, None
            self._parts, self._key = setup.build(config, data), key
        return self._parts._replace(data=data)
