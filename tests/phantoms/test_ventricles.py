import numpy as np
import pytest

from neurograft.phantoms.deformation import jacobian
from neurograft.phantoms.ventricles import brain_template, growth_for, shown_positions, ventricle_share


@pytest.fixture(scope="module")
def head():
    axes = [np.arange(low, high, 2.0) for low, high in ((-63.0, 64.0), (-91.0, 52.0), (-53.0, 74.0))]
    positions = np.stack(np.meshgrid(*axes, indexing="ij"))
    template = brain_template()
    return template, positions, template.at(template.distance_mm, positions)


def test_the_template_has_two_ventricles_of_one_size():
    template = brain_template()
    x = template.origin_mm[0] + np.arange(template.t1.shape[0])
    inside = template.distance_mm < 0
    left, right = inside[x < 0].sum(), inside[x > 0].sum()
    assert left == right
    assert left + right == pytest.approx(16_400, rel=0.02)
    assert template.t1[inside].max() < 0.5
    assert not (inside & (template.brain == 0)).any()


def test_growth_gives_the_volume_asked_for(head):
    _, _, distance = head
    for volume_mm3 in (10_000.0, 16_400.0, 30_000.0, 80_000.0):
        growth = growth_for(distance, volume_mm3, 8.0)
        assert ventricle_share(distance, growth).sum() * 8.0 == pytest.approx(volume_mm3, abs=0.01)
    assert abs(growth_for(distance, 16_400.0, 8.0)) < 0.2


def test_a_volume_that_no_growth_gives_is_refused(head):
    with pytest.raises(ValueError, match="cannot be made"):
        growth_for(head[2], 1e6, 8.0)


def test_the_surface_shows_the_old_surface_and_far_tissue_stays(head):
    template, positions, distance = head
    growth = 4.0
    shown = shown_positions(template, positions, distance, growth)
    moved = np.linalg.norm(shown - positions, axis=0)
    assert moved[distance > 40.0].max() < 0.01
    ring = (distance > growth) & (distance < growth + 1.0) & (np.abs(positions[0]) > 12.0)
    now = template.at(template.distance_mm, shown)[ring]
    assert np.median(now) == pytest.approx(0.5, abs=0.5)
    assert moved.max() <= growth * 1.05


def test_tissue_outside_the_ventricles_does_not_fold(head):
    template, positions, distance = head
    growth = growth_for(distance, 55_000.0, 8.0)
    shown = shown_positions(template, positions, distance, growth)
    outside = distance > growth + 2.0
    folded = np.linalg.det(jacobian(shown, 2.0))[outside] <= 0
    assert folded.mean() < 0.001
