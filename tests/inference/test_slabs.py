"""Merging slab by slab: equal to merging a whole volume, in any direction, with less memory."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.inference.slabs import (
    HALF_PRECISION_ROUNDING,
    SLAB_VOXELS,
    Slab,
    SlabMerger,
    cropped,
    joined,
    mean_slabs,
    plan_merging,
)
from neurograft.inference.sliding_window import sliding_window, window_slabs, window_starts, window_weight


def merged_slowly(corners, activations, extent, window, weight) -> np.ndarray:
    """Voxel by voxel, in double precision."""
    total = np.zeros((activations[0].shape[0], *extent))
    weights = np.zeros(extent)
    for corner, activation in zip(corners, activations, strict=True):
        for place in np.ndindex(*window):
            at = tuple(first + step for first, step in zip(corner, place, strict=True))
            total[(slice(None), *at)] += float(weight[place]) * activation[(slice(None), *place)].double().numpy()
            weights[at] += float(weight[place])
    return np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)


@settings(max_examples=25, deadline=None)
@given(
    extent=st.tuples(*[st.integers(3, 9)] * 3),
    window=st.tuples(*[st.integers(1, 3)] * 3),
    overlap=st.sampled_from([0.0, 0.5, 0.7]),
    axis=st.integers(0, 2),
    left_out=st.integers(0, 7),
    seed=st.integers(0, 9),
)
def test_equals_a_slow_version(extent, window, overlap, axis, left_out, seed) -> None:
    corners = list(product(*map(window_starts, extent, window, [overlap] * 3)))[left_out:] or [(0, 0, 0)]
    corners.sort(key=lambda corner: corner[axis])
    generator = torch.Generator().manual_seed(seed)
    activations = [torch.rand((2, *window), generator=generator) for _ in corners]
    weight = window_weight(window, "gaussian")
    merger = SlabMerger(extent, window, weight, axis)
    slabs = [slab for c, a in zip(corners, activations, strict=True) for slab in merger.add(c, a)]
    slabs += list(merger.finish())
    starts = [slab.start for slab in slabs]
    thickness = [slab.activations.shape[1 + axis] for slab in slabs]
    assert starts == np.cumsum([0, *thickness])[:-1].tolist()
    expected = merged_slowly(corners, activations, extent, window, weight)
    np.testing.assert_allclose(joined(iter(slabs), axis, extent).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_windows_in_any_direction_decide_the_same_classes(axis: int, batch_size: int) -> None:
    image = torch.randn((1, 21, 17, 26), generator=torch.Generator().manual_seed(2))

    def network(windows: torch.Tensor) -> torch.Tensor:
        ramp = torch.linspace(0.5, 1.5, windows[0, 0].numel()).reshape(windows.shape[2:])
        return torch.cat([windows * ramp, windows.square(), windows.sin()], dim=1).softmax(1)

    whole = sliding_window(image, network, (8, 6, 8), 0.5)
    slabs = list(window_slabs(image, network, (8, 6, 8), 0.5, batch_size=batch_size, axis=axis))
    assert max(slab.activations.shape[1 + axis] for slab in slabs) <= SLAB_VOXELS
    merged = joined(iter(slabs), axis, (21, 17, 26))
    torch.testing.assert_close(merged, whole, atol=1e-6, rtol=0)
    assert torch.equal(merged.argmax(0), whole.argmax(0))


def test_half_precision_stays_within_its_stated_bound() -> None:
    image = torch.randn((1, 24, 24, 24), generator=torch.Generator().manual_seed(2))

    def network(windows: torch.Tensor) -> torch.Tensor:
        return torch.cat([windows, 0.3 * windows], dim=1).softmax(1)

    for merge in ("uniform", "gaussian"):
        exact = sliding_window(image, network, (8, 8, 8), 0.5, merge)
        half = window_slabs(image, network, (8, 8, 8), 0.5, merge, storage=torch.float16)
        error = ((joined(half, 0, (24, 24, 24)) - exact) / exact).abs().max()
        # 24 is a multiple of the windows' step, so that no more than eight lie over a voxel.
        assert HALF_PRECISION_ROUNDING / 100 < error < 8 * HALF_PRECISION_ROUNDING


def test_equal_windows_of_constant_channels_are_computed_once() -> None:
    image = torch.zeros((2, 8, 8, 40))
    image[1] = 3.0
    image[0, :, :, 30:] = torch.rand((8, 8, 10), generator=torch.Generator().manual_seed(0))
    calls: list[int] = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        calls.append(len(windows))
        # An answer that depends on place, as that of a network with padded borders does.
        return windows.sum(1, keepdim=True).exp() * torch.linspace(0, 1, 8)

    result = sliding_window(image, network, (8, 8, 8), 0.5)
    # Windows start at 0, 4, ..., 32; those up to 20 hold only constants, and the first answers for all six.
    assert len(calls) == 9 - 5
    calls.clear()
    plain = joined(window_slabs(image, network, (8, 8, 8), 0.5, reuse=False), 0, (8, 8, 40))
    assert len(calls) == 9
    assert torch.equal(result, plain)


def test_another_constant_is_another_window() -> None:
    image = torch.zeros((1, 4, 4, 12))
    image[..., 4:8] = 1.0
    result = sliding_window(image, lambda windows: windows + 1, (4, 4, 4), 0.0)
    assert torch.equal(result, image + 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_mean_over_models_whose_slabs_differ(axis: int) -> None:
    volumes = [torch.randn((2, 9, 9, 9), generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    cuts = ([9], [2, 7], [3, 3, 1, 2])

    def slabs(volume, lengths):
        start = 0
        for length in lengths:
            yield Slab(start, volume.narrow(1 + axis, start, length))
            start += length

    models = [slabs(volume, lengths) for volume, lengths in zip(volumes, cuts, strict=True)]
    result = joined(mean_slabs(models, axis), axis, (9, 9, 9))
    torch.testing.assert_close(result, torch.stack(volumes).mean(0))


def test_slabs_are_cropped_where_the_volume_was_padded() -> None:
    volume = torch.arange(7 * 2 * 2).reshape(1, 7, 2, 2).float()
    slabs = (Slab(start, volume[:, start : start + 2]) for start in range(0, 7, 2))
    result = joined(cropped(slabs, 0, (1, 0, 1), (4, 2, 1)), 0, (4, 2, 1))
    assert torch.equal(result, volume[:, 1:5, :, 1:2])


def test_memory_of_merging_by_hand() -> None:
    plan = plan_merging((100, 50, 40), [(10, 20, 30)], 3)
    # Along the first axis 10 x 50 x 40 voxels of three sums and a weight of four bytes each are held.
    assert (plan.axis, plan.storage) == (0, torch.float32)
    assert plan.mib == pytest.approx(10 * 50 * 40 * 16 / 2**20)
    tight = plan_merging((100, 50, 40), [(10, 20, 30)], 3, most_mib=0.25)
    assert (tight.storage, tight.is_exact) == (torch.float16, False)
    assert tight.mib == pytest.approx(10 * 50 * 40 * 10 / 2**20)
    assert plan_merging((40, 50, 100), [(20, 20, 10)], 3).axis == 2
    # A window larger than the image is what is held.
    assert plan_merging((4, 4, 4), [(8, 8, 8)], 1).mib == pytest.approx(8**3 * 8 / 2**20)


def test_what_is_held_does_not_grow_with_the_axis() -> None:
    merger = SlabMerger((1000, 4, 4), (4, 4, 4), torch.ones(4, 4, 4))
    for start in range(0, 997, 2):
        for _ in merger.add((start, 0, 0), torch.ones(1, 4, 4, 4)):
            pass
    assert merger._sums is not None
    assert merger._sums.shape == (1, 4, 4, 4)


@pytest.mark.parametrize("overlap", [0.5, 0.9])
def test_half_precision_holds_small_probabilities_at_the_corners_too(overlap: float) -> None:
    """Where one window alone sees a voxel, with its smallest weight, and where very many see one."""
    image = torch.rand((1, 16, 16, 16), generator=torch.Generator().manual_seed(2))

    def network(windows: torch.Tensor) -> torch.Tensor:
        return torch.cat([1 - 1e-4 * windows - 1e-4, 1e-4 * windows + 1e-4], dim=1)

    exact = sliding_window(image, network, (8, 8, 8), overlap)
    half = joined(window_slabs(image, network, (8, 8, 8), overlap, storage=torch.float16), 0, (16, 16, 16))
    error = ((half - exact) / exact).abs()
    windows = 8 if overlap == 0.5 else 8**3  # over a voxel; sums of so many must stay finite too
    assert (half - exact).abs().max() < windows * HALF_PRECISION_ROUNDING
    if overlap == 0.5:
        assert error[:, 0, 0, 0].max() < HALF_PRECISION_ROUNDING
        assert error.max() < 8 * HALF_PRECISION_ROUNDING
