import numpy as np
import torch
from scipy.interpolate import BSpline

from neurograft.phantoms.synthesis.draw import control_counts
from neurograft.phantoms.synthesis.fields import smooth_field


def test_the_field_is_scipys_spline() -> None:
    generator = torch.Generator().manual_seed(0)
    size, spacing, distance = (9, 7, 12), (1.0, 1.5, 0.8), 5.0
    counts = control_counts(size, spacing, distance)
    points = torch.randn((2, *counts), generator=generator, dtype=torch.float64)
    field = smooth_field(points, size, spacing, distance).numpy()
    expected = points.numpy()
    for axis, (count, length, side) in enumerate(zip(counts, size, spacing, strict=True), start=1):
        basis = BSpline(np.arange(-3, count + 1), np.eye(count), 3)(np.arange(length) * side / distance)
        expected = np.moveaxis(np.tensordot(basis, expected, axes=(1, axis)), 0, axis)
    np.testing.assert_allclose(field, expected / 0.5**1.5, atol=1e-12)


def test_the_spread_at_control_points_is_that_of_the_points() -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.randn((4000, 4, 4, 4), generator=generator)
    field = smooth_field(points, (1, 1, 1), (1.0, 1.0, 1.0), 8.0)
    assert abs(float(field.std()) - 1) < 0.04
