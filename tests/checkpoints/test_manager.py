"""Which checkpoints are kept, also after a restart, and what they hold."""

import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved


def save(workdir, scores):
    """Saves with one manager; `scores` is {step: score or None}."""
    with Checkpoints(workdir) as checkpoints:
        for step, score in scores.items():
            best = Saved(50.0, 3, "teacher")
            tree = {"w": jnp.full(4, step)}
            config = {"seed": 1}
            checkpoints.save(step, {"student": tree}, best, config, score)


def test_the_newest_two_and_the_best_are_kept_after_a_restart(tmp_path):
    save(tmp_path, {1: None, 2: 10.0, 3: 50.0})
    save(tmp_path, {4: 20.0, 5: None})
    save(tmp_path, {6: None, 7: 30.0})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [3, 6, 7]
        assert checkpoints.find("last")[0] == 7
        assert checkpoints.find("best")[0] == 3
        like = {"student": {"w": jnp.zeros(4, jnp.int32)}}
        restored = checkpoints.restore(3, like)
        np.testing.assert_array_equal(restored["student"]["w"], [3] * 4)
        best, config = checkpoints.restore_meta(7)
        assert best == Saved(50.0, 3, "teacher")
        assert config == {"seed": 1}


def test_a_folder_without_an_evaluated_checkpoint_names_the_saved(tmp_path):
    save(tmp_path, {30: None, 51: None})
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(FileNotFoundError, match=r"\(saved: steps 30 and 51\)"),
    ):
        checkpoints.find("best")


def test_a_folder_without_checkpoints_says_so(tmp_path):
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(FileNotFoundError, match="holds no checkpoint yet"),
    ):
        checkpoints.find("best")
