"""Compiled programs and open data sets that the cells of a sweep share."""

from jax.sharding import Mesh
from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment import data as experiment_data
from ipixmatch_jax.experiment.resolve import program_key
from ipixmatch_jax.training import setup


class Programs:
    """Builds runs that share the compiled programs of the run before.

    Only the last programs are kept, so that a long sweep does not fill the
    memory. Build runs with equal programs one after the other.
    """

    def __init__(self):
        self._data: dict[tuple, DataSet] = {}
        self._key: str | None = None
        self._parts: setup.Parts | None = None

    def open_data(self, config: ConfigDict) -> DataSet:
        """The config's data set, opened and checked once."""
        key = tuple(experiment_data.open_arguments(config).items())
        if key not in self._data:
            self._data[key] = experiment_data.open_data(config)
        return self._data[key]

    def check_cell(self, config: ConfigDict) -> None:
        """Raises what training would, without building or reading images."""
        if config.train.batch_size == 0:
            raise ValueError(
                "A sweep compares runs with the same batch size: give "
                "config.train.batch_size a number instead of 0."
            )
        mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
        sharding.check_batch(
            config.train.batch_size, mesh, config.train.accumulate
        )
        data = self.open_data(config)
        experiment_data.check_classes(config, data)

    def build(
        self, config: FrozenConfigDict, data: DataSet, mesh: Mesh
    ) -> setup.Parts:
        """See setup.build."""
        key = program_key(config)
        if self._parts is None or key != self._key:
            # The old programs are freed first, so that both need not fit.
            self._key, self._parts = None, None
            self._parts, self._key = setup.build(config, data, mesh), key
        return self._parts._replace(data=data)
