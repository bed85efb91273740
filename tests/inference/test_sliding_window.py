"""Sliding windows: placement, weights, padding, and agreement with MONAI."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference
from torch import Tensor
from torch.nn.functional import conv3d

from neurograft.imaging.context import Context, Outside
from neurograft.inference.sliding_window import Merge, sliding_window, window_starts, window_weight


@pytest.mark.parametrize(
    ("size", "window", "overlap", "starts"),
    [
        (8, 8, 0.5, [0]),
        (10, 4, 0.5, [0, 2, 4, 6]),
        (9, 4, 0.5, [0, 2, 4, 5]),
        (9, 4, 0.0, [0, 4, 5]),
        (5, 4, 0.9, [0, 1]),
        (8, 1, 0.5, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_window_starts(size: int, window: int, overlap: float, starts: list[int]) -> None:
    assert window_starts(size, window, overlap) == starts


@given(window=st.integers(1, 20), extra=st.integers(0, 60), overlap=st.floats(0, 0.95))
def test_windows_cover_the_axis_and_stay_inside(window: int, extra: int, overlap: float) -> None:
    size = window + extra
    starts = window_starts(size, window, overlap)
    covered = {voxel for start in starts for voxel in range(start, start + window)}
    assert covered == set(range(size))
    assert starts == sorted(set(starts))


def test_gaussian_weight_is_symmetric_highest_in_the_middle_and_never_zero() -> None:
    weight = window_weight((9, 8, 64), "gaussian")
    assert torch.allclose(weight, weight.flip(0, 1, 2))
    assert weight.min() >= 1e-3
    assert weight.max() == weight[4, 4, 32] == weight[4, 3, 31]
    # Off the middle of a nine-voxel axis by two: exp(-(2 / (9 / 8))^2 / 2) = 0.2059.
    assert weight[2, 4, 32] / weight[4, 4, 32] == pytest.approx(0.2059, abs=1e-4)


def position_dependent_network(windows: Tensor) -> Tensor:
    """Two channels; the second depends on where in the window a voxel lies, so that merging matters."""
    ramp = torch.linspace(-1, 1, windows.shape[2] * windows.shape[3] * windows.shape[4])
    return torch.cat([windows.sum(1, keepdim=True).tanh(), windows[:, :1] * ramp.reshape(windows.shape[2:])], dim=1)


@pytest.mark.parametrize("merge", ["uniform", "gaussian"])
@pytest.mark.parametrize(
    ("shape", "window", "overlap"),
    [
        ((20, 17, 23), (8, 8, 8), 0.5),
        ((16, 16, 16), (16, 8, 4), 0.25),
        ((12, 30, 13), (9, 10, 11), 0.7),
        ((12, 12, 12), (12, 12, 12), 0.5),
    ],
)
def test_equals_monai(shape: tuple[int, int, int], window: tuple[int, int, int], overlap: float, merge: Merge) -> None:
    image = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0))
    mode = {"uniform": "constant", "gaussian": "gaussian"}[merge]
    expected = sliding_window_inference(
        image[None], window, 3, position_dependent_network, overlap, mode=mode, sigma_scale=0.125
    )
    result = sliding_window(image, position_dependent_network, window, overlap, merge, batch_size=3)
    torch.testing.assert_close(result, expected[0], atol=1e-4, rtol=0)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    window=st.tuples(*[st.integers(1, 9)] * 3),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    merge=st.sampled_from(["uniform", "gaussian"]),
    batch_size=st.integers(1, 5),
)
def test_identity_network_gives_the_image_back(
    shape: tuple[int, int, int], window: tuple[int, int, int], overlap: float, merge: Merge, batch_size: int
) -> None:
    image = torch.randn((1, *shape), generator=torch.Generator().manual_seed(1))
    result = sliding_window(image, lambda windows: windows, window, overlap, merge, batch_size)
    torch.testing.assert_close(result, image, atol=1e-5, rtol=1e-5)


def test_small_volume_is_padded_with_each_channels_minimum() -> None:
    seen: list[Tensor] = []

    def remember(windows: Tensor) -> Tensor:
        seen.append(windows)
        return windows

    image = torch.stack([torch.full((2, 4, 3), 5.0), torch.full((2, 4, 3), 7.0)])
    image[0, 0, 0, 0], image[1, 0, 0, 0] = -3.0, -1.0
    result = sliding_window(image, remember, (4, 4, 6), overlap=0.5)
    assert len(seen) == 1
    assert seen[0].shape == (1, 2, 4, 4, 6)
    assert (seen[0][0, 0, 0] == -3).all()
    assert (seen[0][0, 1, 3] == -1).all()
    assert (seen[0][0, :, 1:3, :, 1:4] == image).all()
    torch.testing.assert_close(result, image)


def test_half_precision_activations_are_merged_in_float32() -> None:
    image = torch.ones((1, 6, 6, 6))
    result = sliding_window(image, lambda windows: windows.bfloat16() * 0.5, (4, 4, 4))
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, image * 0.5)


def test_progress_and_batches() -> None:
    calls: list[tuple[int, int]] = []
    sizes: list[int] = []

    def network(windows: Tensor) -> Tensor:
        sizes.append(len(windows))
        return windows

    image = torch.rand((1, 4, 4, 10))
    sliding_window(image, network, (4, 4, 4), 0.5, "uniform", 3, lambda done, total: calls.append((done, total)))
    assert sizes == [3, 1]
    assert calls == [(3, 4), (4, 4)]


def test_no_gradient_is_kept() -> None:
    scale = torch.ones(1, requires_grad=True)
    assert not sliding_window(torch.ones((1, 4, 4, 4)), lambda windows: windows * scale, (4, 4, 4)).requires_grad


def test_network_that_changes_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must answer for windows of \(4, 4, 4\) voxels"):
        sliding_window(torch.ones((1, 8, 8, 8)), lambda windows: windows[..., ::2], (4, 4, 4))


@pytest.mark.parametrize("outside", ["minimum", "zero", "edge"])
@pytest.mark.parametrize("shape", [(9, 8, 11), (3, 8, 2)])
def test_context_is_the_image_around_each_window(outside: Outside, shape: tuple[int, int, int]) -> None:
    """A network that sums what it reads about each voxel gives the sum over the padded volume, windows or not."""
    context = Context((2, 0, 1), (1, 3, 1), outside)
    image = torch.randn((1, *shape), generator=torch.Generator().manual_seed(3))
    kernel = torch.randn((1, 1, 4, 4, 3), generator=torch.Generator().manual_seed(4))
    result = sliding_window(image, lambda w: conv3d(w, kernel), (4, 4, 5), 0.5, "gaussian", 2, context=context)
    values = {"minimum": float(image.min()), "zero": 0.0}
    widths = [(0, 0), (2, 1), (0, 3), (1, 1)]
    if outside == "edge":
        padded = np.pad(image.numpy(), widths, mode="edge")
    else:
        padded = np.pad(image.numpy(), widths, constant_values=values[outside])
    expected = conv3d(torch.from_numpy(padded)[None], kernel)[0]
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
