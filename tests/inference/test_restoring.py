"""The way back to the files' grid, against SimpleITK's resampling of whole volumes."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import PreparedImage, prepare_image, restore_probabilities
from neurograft.imaging.volume import Volume
from neurograft.inference.restoring import WayBack
from neurograft.inference.slabs import Slab, joined
from neurograft.recipes.schema import PreparationConfig

OUTSIDE = [1.0, 0.0, 0.0]


def scan(shape: tuple[int, int, int], spacing: tuple[float, float, float], flips: tuple[bool, ...]) -> Volume:
    """A scan with air around, whose axes may run backwards and which lies a little oblique."""
    turn = 0.1
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine[:3, :3] = affine[:3, :3] * np.array(spacing) * np.where(flips, -1.0, 1.0)
    affine[:3, 3] = [7, -20, 3]
    data = np.random.default_rng(0).random(shape).astype(np.float32) + 1
    data[:2], data[:, -3:], data[..., :1] = 0, 0, 0
    return Volume(data, Grid.from_affine(shape, affine))


def prepared_for(volume: Volume, spacing: tuple[float, float, float] | None) -> PreparedImage:
    return prepare_image([volume], PreparationConfig.model_validate({"spacing_mm": spacing, "crop": "nonzero"}))


def answers(prepared: PreparedImage) -> torch.Tensor:
    logits = torch.randn(3, *prepared.grid.shape, generator=torch.Generator().manual_seed(1))
    return logits.softmax(0)


def cut(values: torch.Tensor, axis: int, thickness: int) -> Iterator[Slab]:
    start = 0
    for part in values.split(thickness, 1 + axis):
        yield Slab(start, part)
        start += part.shape[1 + axis]


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(6, 14)] * 3),
    old=st.tuples(*[st.sampled_from([0.7, 1.0, 1.3, 3.0])] * 3),
    new=st.tuples(*[st.sampled_from([0.8, 1.0, 1.5, 2.0])] * 3),
    flips=st.tuples(*[st.booleans()] * 3),
    axis=st.integers(0, 2),
    thickness=st.integers(1, 9),
)
def test_slabs_come_back_as_whole_volumes_do(shape, old, new, flips, axis: int, thickness: int) -> None:
    prepared = prepared_for(scan(shape, old, flips), new)
    values = answers(prepared)
    back = WayBack.of(prepared)
    found = joined(back.slabs(cut(values, axis, thickness), axis, OUTSIDE), axis, back.box.size)
    on_files = back.channels_on_files(found.numpy(), OUTSIDE)
    expected = restore_probabilities(values.numpy(), prepared, OUTSIDE)
    assert on_files.shape == (3, *shape)
    # Half a voxel beyond the last centre is in or out by the last bit of an affine.
    close = np.isclose(on_files, expected, atol=1e-4).all(0)
    at_the_edge = np.isclose(expected, np.array(OUTSIDE)[:, None, None, None], atol=1e-6).all(0) | np.isclose(
        on_files, np.array(OUTSIDE)[:, None, None, None], atol=1e-6
    ).all(0)
    assert (close | at_the_edge).all()
    assert close.mean() > 0.5
    np.testing.assert_allclose(on_files.sum(0), 1, atol=1e-5)


def test_what_was_not_resampled_comes_back_exactly() -> None:
    volume = scan((8, 9, 10), (1.0, 1.0, 1.0), (True, False, True))
    prepared = prepared_for(volume, None)
    values = answers(prepared)
    back = WayBack.of(prepared)
    found = joined(back.slabs(cut(values, 1, 4), 1, OUTSIDE), 1, back.box.size)
    assert torch.equal(found, values)
    expected = restore_probabilities(values.numpy(), prepared, OUTSIDE)
    np.testing.assert_array_equal(back.channels_on_files(found.numpy(), OUTSIDE), expected)


def test_a_border_between_voxels_lies_where_the_probabilities_have_it() -> None:
    # A half-space whose border lies a quarter of a coarse voxel beyond a centre.
    volume = Volume(np.ones((24, 4, 4), np.float32), Grid.from_affine((24, 4, 4), np.eye(4)))
    prepared = prepared_for(volume, (3.0, 1.0, 1.0))
    centres = 3 * np.arange(prepared.grid.shape[0]) + 1
    inside = torch.from_numpy(np.clip(0.5 + (centres - 10.75) / 6, 0, 1).astype(np.float32))
    values = torch.stack([1 - inside, inside])[:, :, None, None].expand(2, -1, *prepared.grid.shape[1:])
    back = WayBack.of(prepared)
    classes = joined(back.slabs(cut(values, 0, 3), 0, OUTSIDE[:2]), 0, back.box.size).argmax(0).numpy()
    found = back.on_files(classes)
    np.testing.assert_array_equal(found[:, 0, 0], np.arange(24) > 10.75)


@pytest.mark.parametrize("flipped", range(3))
def test_a_scan_has_one_answer_however_it_is_stored(flipped: int) -> None:
    straight = scan((12, 13, 14), (2.0, 2.0, 2.0), (False, False, False))
    affine = straight.grid.affine.copy()
    affine[:3, 3] += affine[:3, flipped] * (straight.data.shape[flipped] - 1)
    affine[:3, flipped] *= -1
    stored = Volume(np.flip(straight.data, flipped).copy(), Grid.from_affine(straight.data.shape, affine))
    results = []
    for volume in (straight, stored):
        prepared = prepared_for(volume, (1.5, 1.5, 1.5))
        back = WayBack.of(prepared)
        values = answers(prepared)
        whole = joined(back.slabs(cut(values, 0, 5), 0, OUTSIDE), 0, back.box.size)
        results.append(back.on_files(whole.argmax(0).numpy().astype(np.int16)))
    np.testing.assert_array_equal(results[0], np.flip(results[1], flipped))


def test_a_mask_comes_back_too() -> None:
    prepared = prepared_for(scan((10, 10, 10), (1.0, 1.0, 1.0), (False, False, False)), (2.0, 2.0, 2.0))
    mask = np.zeros(prepared.grid.shape, bool)
    mask[2:4] = True
    found = WayBack.of(prepared).mask(mask)
    assert found is not None
    assert found.shape == WayBack.of(prepared).box.size
    assert 3 <= found.any((1, 2)).sum() <= 5
    assert WayBack.of(prepared).mask(None) is None
