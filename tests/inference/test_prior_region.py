"""Segmenting near a prior: where windows lie, what is background, which components stay."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from neurograft.inference.postprocessing import filter_components
from neurograft.inference.prior_region import grown, near_prior, prior_foreground, wanted_voxels
from neurograft.inference.slabs import joined
from neurograft.inference.sliding_window import sliding_window
from neurograft.inference.windows import FIRST_AXIS_EXACT, probability_slabs
from neurograft.networks import build_network
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.schema import PostprocessingConfig, Recipe
from neurograft.sampling.examples import TrainingCase
from neurograft.tasks import SegmentationTask


def recipe(*overrides: str) -> Recipe:
    return override_recipe(
        {},
        ["preparation.prior=channels", "preparation.prior_labels=[background,a]", "inference.region=prior", *overrides],
    )


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_growing_goes_so_many_steps(steps: int) -> None:
    mask = np.zeros((9, 8, 10), bool)
    mask[4, 4, 0] = mask[0, 7, 9] = True
    expected = ndimage.distance_transform_cdt(~mask, metric="taxicab") <= steps
    assert np.array_equal(grown(mask, steps), expected)
    assert not grown(np.zeros((3, 3, 3), bool), 2).any()


def test_wanted_voxels_are_near_any_label() -> None:
    image = torch.zeros(3, 8, 8, 8)
    image[0] = 5
    image[1] = 1
    assert wanted_voxels(image, recipe()) is None, "a prior that gives nothing a chance restricts nothing"
    image[2, 4, 4, 4] = 1e-3
    found = wanted_voxels(image, recipe("inference.region_margin=2"))
    assert found is not None
    assert int(found.sum()) == 25
    whole = override_recipe({}, ["preparation.prior=channels", "preparation.prior_labels=[background,a]"])
    assert wanted_voxels(image, whole) is None
    assert prior_foreground(image[1:].numpy()).sum() == 1


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize("place", [(0, 0, 0), (9, 10, 6), (4, 7, 2)])
def test_windows_lie_where_voxels_are_wanted(overlap: float, place: tuple[int, int, int]) -> None:
    image = torch.randn((1, 10, 11, 7), generator=torch.Generator().manual_seed(0))
    wanted = torch.zeros(10, 11, 7, dtype=torch.bool)
    wanted[place] = True
    seen = []

    def network(windows: Tensor, where: Tensor) -> Tensor:
        seen.append(int(where.sum()))
        assert where.shape == windows[:, 0].shape
        return 2 * windows

    found = sliding_window(image, network, (4, 4, 4), overlap, "uniform", wanted=wanted)
    assert seen == [1]
    assert found[0][place] == 2 * image[0][place]
    assert int((found != 0).sum()) <= 64
    wanted[:] = True
    everything = sliding_window(image, network, (4, 4, 4), overlap, "gaussian", wanted=wanted)
    torch.testing.assert_close(everything, 2 * image)


def test_windows_without_a_wanted_voxel_are_left_out() -> None:
    image = torch.ones(1, 12, 4, 4)
    wanted = torch.zeros(12, 4, 4, dtype=torch.bool)
    wanted[0], wanted[11] = True, True
    found = sliding_window(image, lambda windows, where: windows, (4, 4, 4), 0.0, wanted=wanted)
    assert found[0, :, 0, 0].tolist() == [1] * 4 + [0] * 4 + [1] * 4


def test_an_image_smaller_than_the_window() -> None:
    image = torch.arange(27.0).reshape(1, 3, 3, 3)
    wanted = torch.zeros(3, 3, 3, dtype=torch.bool)
    wanted[2, 2, 2] = True
    found = sliding_window(image, lambda windows, where: windows, (5, 5, 5), 0.0, wanted=wanted)
    torch.testing.assert_close(found, image)


def test_beyond_the_volume_a_prior_is_sure_of_background() -> None:
    """As in training, whatever the prior says inside of the volume."""
    asked = override_recipe(
        {}, ["preparation.prior=channels", "preparation.prior_labels=[background,a]", "sampling.patch_size=[8, 8, 8]"]
    )
    image = torch.full((3, 4, 8, 8), 0.5)
    image[0, 0, 0, 0] = -2.0
    seen = []

    def engine(windows: Tensor, where: Tensor | None) -> Tensor:
        seen.append(windows)
        return torch.zeros((len(windows), 2, *windows.shape[2:]))

    network = build_network(asked.network, 3, 2, 0, 2)
    task = SegmentationTask(asked.task, ["a"])
    joined(probability_slabs(engine, network, task, image, asked, FIRST_AXIS_EXACT), 0, (4, 8, 8))
    (windows,) = seen
    window = windows[0]
    assert torch.equal(window[:, 2:6], image)
    beyond = torch.cat([window[:, :2], window[:, 6:]], dim=1).flatten(1)
    assert [channel.unique().tolist() for channel in beyond] == [[-2.0], [1.0], [0.0]]
    case = TrainingCase("c", "s", image, torch.zeros((4, 8, 8), dtype=torch.int16), prior_channels=2)
    assert case.minimum.tolist() == [-2.0, 1.0, 0.0]


BY_PRIOR = PostprocessingConfig(keep_largest=1, largest_by="prior_overlap", connectivity=6, prior_margin=1)


def test_the_component_with_most_voxels_near_the_prior_stays() -> None:
    classes = np.zeros((12, 6, 6), np.int16)
    classes[0:4, 0:4, 0:4] = 1
    classes[8:10, 2:4, 2:4] = 1
    prior = np.zeros((2, 12, 6, 6), np.float32)
    prior[1, 8:10, 2:4, 2:4] = 0.2
    prior[1, 4, 0, 0] = 0.2
    kept = filter_components(classes, BY_PRIOR, 1.0, near_prior(prior, BY_PRIOR))
    assert kept[8:10].sum() == 8
    assert kept[:8].sum() == 0
    by_size = PostprocessingConfig(keep_largest=1)
    assert filter_components(classes, by_size, 1.0, near_prior(prior, by_size))[:4].sum() == 64


def test_a_label_that_is_absent_or_far_from_the_prior_stays_or_becomes_absent() -> None:
    """The public filter of P5 paints such a label over the background."""
    classes = np.zeros((9, 5, 5), np.int16)
    classes[0, 0, 0] = 2
    classes[6:8, 2:4, 2:4] = 3
    prior = np.zeros((4, 9, 5, 5), np.float32)
    prior[1:, 7, 3, 3] = 0.3
    kept = filter_components(classes, BY_PRIOR, 1.0, near_prior(prior, BY_PRIOR))
    assert set(np.unique(kept).tolist()) == {0, 3}
    assert np.array_equal(kept == 3, classes == 3)
    nothing = filter_components(np.zeros((9, 5, 5), np.int16), BY_PRIOR, 1.0, near_prior(prior, BY_PRIOR))
    assert not nothing.any()


def test_a_prior_that_gives_nothing_a_chance_takes_nothing_away() -> None:
    classes = np.zeros((9, 5, 5), np.int16)
    classes[1:4, 2, 2] = 1
    classes[7, 2, 2] = 1
    prior = np.zeros((2, 9, 5, 5), np.float32)
    prior[0] = 1
    kept = filter_components(classes, BY_PRIOR, 1.0, near_prior(prior, BY_PRIOR))
    assert kept.sum() == 3


def test_diagonal_neighbours_are_apart_with_faces() -> None:
    classes = np.zeros((4, 4, 4), np.int16)
    classes[0:2, 0:2, 0:2] = 1
    classes[2, 2, 2] = 1
    near = np.ones((4, 4, 4), bool)
    assert filter_components(classes, BY_PRIOR, 1.0, near).sum() == 8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("preparation.prior=none", "inference.region: prior needs a prior"),
        ("postprocessing.largest_by=prior_overlap", "says which components keep_largest keeps"),
        ("task.kind=autoencoding", "gives images back, not a prior"),
    ],
)
def test_recipes_that_contradict_themselves(override: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        recipe(override)
