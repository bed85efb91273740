import pytest
import torch

from neurograft.imaging.labels import IGNORE
from neurograft.tasks.deep_supervision import supervised_scales
from neurograft.tasks.truth import Truth

OUTPUTS = {"main": torch.zeros(1, 2, 4, 4, 2), "aux_head1": torch.arange(8.0).view(1, 2, 2, 2, 1)}
TARGET = torch.arange(32).view(1, 4, 4, 2)


def test_downsampled_targets_are_every_second_voxel() -> None:
    scales = list(supervised_scales(OUTPUTS, Truth(TARGET), (1.0, 0.5), "downsampled", normalise=False))
    assert [weight for weight, _, _ in scales] == [1.0, 0.5]
    assert torch.equal(scales[0][2].target, TARGET)
    assert scales[1][2].target.flatten().tolist() == [0, 4, 16, 20]
    assert torch.equal(scales[1][1], OUTPUTS["aux_head1"])


def test_upsampled_logits_are_repeated() -> None:
    _, (_, logits, truth) = supervised_scales(OUTPUTS, Truth(TARGET), (1.0, 0.5), "upsampled", normalise=False)
    expected = torch.nn.functional.interpolate(OUTPUTS["aux_head1"], size=(4, 4, 2), mode="nearest")
    assert torch.equal(logits, expected)
    assert torch.equal(truth.target, TARGET)


def test_weights_normalised_and_zero_ones_left_out() -> None:
    scales = list(supervised_scales(OUTPUTS, Truth(TARGET), (3.0, 1.0), "downsampled", normalise=True))
    assert [weight for weight, _, _ in scales] == [0.75, 0.25]
    only = list(supervised_scales(OUTPUTS, Truth(TARGET), (0.0, 1.0), "downsampled", normalise=False))
    assert len(only) == 1
    assert only[0][1].shape[2:] == (2, 2, 1)


def test_more_weights_than_outputs() -> None:
    with pytest.raises(ValueError, match="a weight for aux_head2"):
        list(supervised_scales(OUTPUTS, Truth(TARGET), (1.0, 0.5, 0.2), "downsampled", normalise=False))


def test_coarse_truth_is_unknown_where_its_fine_voxel_is() -> None:
    target = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    target[:, :2] = IGNORE
    unknown = torch.zeros(1, 2, 4, 4, 4, dtype=torch.bool)
    unknown[:, 1, 2:] = True
    coarse = Truth(target, unknown).coarser((2, 2, 2))
    assert coarse.annotated[0, 0, :, 0, 0].tolist() == [0.0, 1.0]
    known = coarse.known_labels()
    assert known[0, 0, :, 0, 0].tolist() == [0.0, 1.0]
    assert not known[0, 1].any()
