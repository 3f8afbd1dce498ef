"""The readings against plain PyTorch versions and autograd."""

import numpy as np
import pytest

from tests.losses.inter_pixel.test_loss import (
    draw,
    every_reading,
    run,
    settings,
)

torch = pytest.importorskip("torch")


@every_reading
def test_value_and_gradient_equal_torchs(relation, distance):
    from benchmarks import inter_pixel_torch

    q, p, valid = draw(20, (2, 8, 9, 5))
    expected, slope = inter_pixel_torch.prepared(
        q, p, valid, relation, distance, torch.float64
    )()
    given = settings(relation, distance, 1.0, 0.0)
    if relation == "agents":
        given["agents"] = 64
    value, _, gradient, _ = run(q, p, valid, **given)
    np.testing.assert_allclose(value, float(expected), rtol=1e-4)
    slope = slope.cpu().numpy().reshape(q.shape)
    error = np.linalg.norm(gradient - slope)
    assert error < 1e-3 * np.linalg.norm(slope)
