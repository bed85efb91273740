"""A training case knows its own voxels."""

import pytest
import torch

from neurograft.sampling.examples import TrainingCase


def test_voxels_by_class_lists_flat_indices_of_present_classes_only():
    target = torch.zeros(2, 3, 4, dtype=torch.int16)
    target[0, 0, 1] = 3
    target[1, 2, 3] = 3
    target[1, 0, 0] = 1
    target[0, 2, 2] = -1
    case = TrainingCase("a", "a", torch.zeros(1, 2, 3, 4), target)
    assert {value: voxels.tolist() for value, voxels in case.voxels_by_class.items()} == {1: [12], 3: [1, 23]}


def test_a_case_without_target_has_no_classes():
    assert TrainingCase("a", "a", torch.zeros(1, 2, 2, 2), torch.zeros(2, 2, 2).short()).voxels_by_class == {}


def test_minimum_is_per_channel():
    image = torch.stack([torch.arange(8.0).view(2, 2, 2) - 5, torch.ones(2, 2, 2)])
    assert TrainingCase("a", "a", image, torch.zeros(2, 2, 2).short()).minimum.tolist() == [-5, 1]


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="case a"):
        TrainingCase("a", "a", torch.zeros(1, 2, 2, 2), torch.zeros(2, 2, 3).short())
