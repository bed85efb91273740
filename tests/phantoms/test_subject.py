from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label

from neurograft.phantoms.anatomy import STRUCTURES
from neurograft.phantoms.deformation import jacobian
from neurograft.phantoms.subject import draw_subject, midbrain_subject, phantom_axes, render_subject, template_positions

SPACING_MM = 1.0  # coarser than the default, to be quick


@pytest.fixture(scope="module")
def people():
    return [midbrain_subject(index, seed=3, spacing_mm=SPACING_MM) for index in range(4)]


def test_the_same_index_and_seed_give_the_same_person_and_others_do_not(people):
    again = midbrain_subject(1, seed=3, spacing_mm=SPACING_MM)
    assert np.array_equal(again.image, people[1].image)
    assert np.array_equal(again.labels, people[1].labels)
    assert not np.array_equal(midbrain_subject(1, seed=4, spacing_mm=SPACING_MM).image, again.image)
    ratios = {person.contrast_ratio["LC"] for person in people}
    assert len(ratios) == len(people)


def test_contrast_ratio_is_exact_in_the_signal_before_bias_and_noise():
    person = midbrain_subject(0, seed=3)
    reference = person.signal[person.reference].mean(dtype=np.float64)
    for name in STRUCTURES:
        core = person.signal[person.occupancy[name] == 1.0]
        assert core.size > 30
        np.testing.assert_allclose(core / reference - 1.0, person.contrast_ratio[name], atol=1e-5)


def test_contrast_ratio_can_be_measured_in_the_scan():
    person = midbrain_subject(0, seed=3)
    reference = person.image[person.reference].mean()
    for name, value in STRUCTURES.items():
        measured = np.median(person.image[person.labels == value]) / reference - 1.0
        assert measured == pytest.approx(person.contrast_ratio[name], abs=0.08)


def test_labels_are_two_nuclei_on_each_side_of_x_zero(people):
    x = phantom_axes(SPACING_MM)[0][0]
    for person in people:
        for value in STRUCTURES.values():
            for side in (x < 0, x > 0):
                assert label(person.labels[side] == value, np.ones((3, 3, 3)))[1] == 1
            components = label(person.labels == value, np.ones((3, 3, 3)))[1]
            assert components == 2
        assert not (person.labels[person.reference] > 0).any()


def test_label_holds_half_filled_voxels(people):
    for name, value in STRUCTURES.items():
        assert np.array_equal(people[0].labels == value, people[0].occupancy[name] >= 0.5)
        volume_mm3 = people[0].occupancy[name].sum() * SPACING_MM**3
        assert (people[0].labels == value).sum() * SPACING_MM**3 == pytest.approx(volume_mm3, rel=0.25)


def test_a_person_is_the_same_at_another_voxel_size(people):
    fine = midbrain_subject(0, seed=3, spacing_mm=0.8)
    assert fine.contrast_ratio == people[0].contrast_ratio
    for name in STRUCTURES:
        volume_mm3 = people[0].occupancy[name].sum() * SPACING_MM**3
        assert fine.occupancy[name].sum() * 0.8**3 == pytest.approx(volume_mm3, rel=0.03)


def test_head_does_not_fold_and_its_midline_stays():
    axes, _ = phantom_axes(2.0)
    for seed in range(10):
        mapping = template_positions(draw_subject(np.random.default_rng(seed)), axes)
        assert np.linalg.det(jacobian(mapping, 2.0)).min() > 0
        sides = np.sign(axes[0])
        assert (np.sign(mapping[0]) == sides[:, None, None]).all()


def test_grid_is_ras_and_covers_the_field_of_view(people):
    assert people[0].image.shape == (60, 48, 48)
    assert np.array_equal(people[0].affine @ [0, 0, 0, 1], [-29.5, -50.0, -42.5, 1.0])
    assert midbrain_subject(0, 3).image.shape == (80, 64, 64)


def test_noise_is_as_strong_as_drawn():
    draw = draw_subject(np.random.default_rng(5))
    noisy = render_subject(draw, SPACING_MM)
    clean = render_subject(replace(draw, noise_sd=0.0), SPACING_MM)
    bright = clean.image > 0.8 * draw.gain  # where Rician noise is all but Gaussian
    difference = (noisy.image - clean.image)[bright] / draw.gain
    assert difference.std() == pytest.approx(draw.noise_sd, rel=0.02)
    assert np.array_equal(noisy.signal, clean.signal)
