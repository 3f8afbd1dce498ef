"""Clock, hash seed, workers and processes do not change a result."""

import jax
import numpy as np
import pytest

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.training.batches import make_batches
from tests.survive.process_run import losses
from tests.survive.survive_run import assert_same, run

pytestmark = pytest.mark.slow


def test_time_hash_seed_and_workers_do_not_change_a_bit(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONHASHSEED", "4711")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    workdir = tmp_path / "run"
    code, said = run(workdir, **{"data.num_workers": 2})
    assert code == 0, said
    assert losses(workdir) == losses(whole)
    assert_same(workdir, whole)


@pytest.mark.parametrize("views", ["device", "host"])
@pytest.mark.parametrize(
    "method", ["supervised", "mean_teacher", "unimatch", "augseg", "cps"]
)
def test_a_batch_is_split_among_processes_bit_for_bit(method, views):
    config = shapes_config.get_config(f"tiny_1_16,method={method}")
    config.train.batch_size = 8
    config.data.crop_size = 33
    config.data.apply_views = views
    data = open_data(config)
    whole = make_batches(config, data)[5]
    for count in (2, 8):
        blocks = [
            make_batches(
                config, data, process_index=index, process_count=count
            )[5]
            for index in range(count)
        ]
        joined = jax.tree.map(lambda *x: np.concatenate(x), *blocks)
        jax.tree.map(np.testing.assert_array_equal, joined, whole)
