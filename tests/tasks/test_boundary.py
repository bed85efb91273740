import numpy as np
import pytest
import torch
from torch import Tensor

from neurograft.tasks.boundary import boundary_loss, signed_distances


def slow_distances(truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Every distance to every voxel of the other side, and the smallest of them."""
    places = np.stack(np.indices(truth.shape), axis=-1)
    inside, outside = places[truth & known], places[~truth & known]
    result = np.zeros(truth.shape)
    if len(inside) and len(outside):
        for place in inside:
            result[tuple(place)] = -(np.sqrt(((outside - place) ** 2).sum(1)).min() - 1)
        for place in outside:
            result[tuple(place)] = np.sqrt(((inside - place) ** 2).sum(1)).min()
    return result


def drawn(share_known: float, seed: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    truth = np.zeros((7, 8, 9), bool)
    truth[2:5, 3:7, 1:6] = True
    truth[6, 7, 8] = True
    truth ^= rng.random(truth.shape) < 0.05
    return torch.from_numpy(truth), torch.from_numpy(rng.random(truth.shape) < share_known)


@pytest.mark.parametrize("share_known", [1.1, 0.8, 0.1])
@pytest.mark.parametrize("seed", [0, 1])
def test_distances_equal_the_slow_ones(share_known, seed) -> None:
    truth, known = drawn(share_known, seed)
    found = signed_distances(truth[None, None].float(), known[None, None].float())[0, 0].numpy()
    assert found == pytest.approx(slow_distances(truth.numpy(), known.numpy()), abs=1e-5)


def test_distances_along_a_line() -> None:
    truth = torch.tensor([0.0, 0, 1, 1, 1, 0, 0, 0]).view(1, 1, 1, 1, 8)
    assert signed_distances(truth, torch.ones_like(truth)).flatten().tolist() == [2, 1, 0, -1, 0, 1, 2, 3]


def test_channels_and_patches_are_apart() -> None:
    truth = torch.zeros(2, 2, 1, 1, 4)
    truth[0, 1, ..., 0] = 1
    truth[1, 0] = 1
    found = signed_distances(truth, torch.ones_like(truth))
    assert found[0, 1].flatten().tolist() == [0, 1, 2, 3]
    assert not found[0, 0].any(), "absent: no surface"
    assert not found[1].any(), "everywhere, or absent: no surface"


def test_loss_by_hand_and_better_is_lower() -> None:
    truth = torch.tensor([0.0, 1, 1, 1, 0, 0]).view(1, 1, 1, 1, 6)
    known = torch.ones(1, 1, 1, 1, 6)
    right = boundary_loss(truth, truth, known)
    assert right.item() == pytest.approx(-1 / 6)
    far = torch.tensor([0.0, 1, 1, 1, 0, 1]).view_as(truth)
    near = torch.tensor([0.0, 1, 1, 1, 1, 0]).view_as(truth)
    assert boundary_loss(near, truth, known).item() == pytest.approx(0.0)
    assert boundary_loss(far, truth, known).item() == pytest.approx(1 / 6)


def test_unknown_voxels_have_no_gradient_and_make_no_surface() -> None:
    truth, _ = drawn(1.1, 0)
    truth_5d = truth[None, None].float()
    known = torch.ones_like(truth_5d)
    known[:, :, 3] = 0
    probabilities = torch.full_like(truth_5d, 0.5).requires_grad_()
    boundary_loss(probabilities, truth_5d, known).backward()
    assert probabilities.grad is not None
    assert not probabilities.grad[:, :, 3].any()
    assert probabilities.grad[:, :, 2].any()
    other = truth_5d.clone()
    other[:, :, 3] = 1 - other[:, :, 3]
    assert torch.equal(signed_distances(truth_5d, known), signed_distances(other, known))
