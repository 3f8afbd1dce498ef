"""Compiled programs that the cells of a sweep share."""

import json

from ipixmatch_jax.data import registry
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment.data import match_data, open_data
from ipixmatch_jax.sweep import grid
from ipixmatch_jax.training import setup

# What no compiled program depends on; see parts.build.
_OUTSIDE_DATA = ("name", "root", "splits_dir", "split")
_OUTSIDE = {
    "train": ("eval_every", "save_every", "log_every"),
    "data": (
        *_OUTSIDE_DATA,
        *("holdout", "tfds", "image_feature", "mask_feature"),
        "num_workers",
    ),
}


def program_key(config) -> str:
    """Equal for configs whose compiled programs are the same."""
    fields = grid.plain(config)
    del fields["seed"]
    for section, names in _OUTSIDE.items():
        for name in names:
            del fields[section][name]
    if config.inter_pixel.weight == 0:
        del fields["inter_pixel"]
    return json.dumps(fields, sort_keys=True)


class Programs:
    """Builds parts: of one's own data, with the programs of the run before.

    Only the last programs are kept, so that a long sweep does not fill the
    memory; equal ones are to be asked for in a row.
    """

    def __init__(self):
        self._data = {}
        self._key, self._parts = None, None

    def open_data(self, config):
        """The config's data set, opened and checked once."""
        fields = _OUTSIDE_DATA + registry.OPTIONS.get(config.data.name, ())
        key = tuple(config.data[field] for field in fields)
        if key not in self._data:
            self._data[key] = open_data(config)
        match_data(config, self._data[key])
        return self._data[key]

    def check(self, config) -> None:
        """What parts.build would refuse, without the building."""
        if config.train.batch_size == 0:
            raise ValueError(
                "A sweep compares runs of one batch, which "
                "config.train.batch_size=0 does not promise: give a number."
            )
        mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
        sharding.check_batch(
            config.train.batch_size, mesh, config.train.accumulate
        )
        self.open_data(config)

    def build(self, config):
        """See parts.build."""
        data, key = self.open_data(config), program_key(config)
        if key != self._key:
            self._key, self._parts = None, None
            self._parts, self._key = setup.build(config, data), key
        return self._parts._replace(data=data)
