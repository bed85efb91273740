"""Mirrored windows: the mean over mirror images, with left and right in their places."""

import pytest
import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.inference.windows import window_probabilities
from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.schema import NetworkConfig, Recipe, TaskConfig
from neurograft.tasks import SegmentationTask

SIDED = ("left one", "middle", "right one")
SWAPPED = [0, 3, 2, 1]
"""Background, then the labels with the sides in each other's place."""


def made(labels: tuple[str, ...] = SIDED, *overrides: str) -> tuple[UnitNetwork, SegmentationTask, Recipe, Tensor]:
    recipe = override_recipe({}, ["sampling.patch_size=[12,8,10]", "inference.overlap=0.5", *overrides])
    task = SegmentationTask(recipe.task, list(labels))
    prior = len(recipe.preparation.prior_labels or ())
    network = build_network(NetworkConfig(channels=(4, 6)), 1 + prior, len(task.outputs), seed=3).eval()
    image = torch.randn((1 + prior, 12, 8, 10), generator=torch.Generator().manual_seed(5))
    return network, task, recipe, image


@torch.no_grad()
def test_the_mean_over_all_mirror_images() -> None:
    network, task, recipe, image = made(SIDED, "inference.mirror_axes=[left-right, inferior-superior]")
    plain = recipe.model_copy(update={"inference": recipe.inference.model_copy(update={"mirror_axes": ()})})
    expected = torch.zeros(4, 12, 8, 10)
    for way in ([], [1], [3], [1, 3]):
        answer = window_probabilities(network, task, image.flip(way), plain).flip(way)
        expected += (answer[SWAPPED] if 1 in way else answer) / 4
    found = window_probabilities(network, task, image, recipe)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, window_probabilities(network, task, image, plain), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(("orientation", "axis"), [("RAS", 1), ("PIR", 3)])
def test_a_mirrored_image_gets_the_mirrored_answer(orientation: str, axis: int) -> None:
    more = ("inference.mirror_axes=[left-right]", f"preparation.orientation={orientation}")
    network, task, recipe, image = made(SIDED, *more)
    answer = window_probabilities(network, task, image, recipe)
    other = window_probabilities(network, task, image.flip(axis), recipe)
    torch.testing.assert_close(other, answer.flip(axis)[SWAPPED])


@torch.no_grad()
def test_a_prior_of_sides_changes_places_too() -> None:
    prior = "[left one, middle, right one]"
    more = ("inference.mirror_axes=[left-right]", "preparation.prior=channels", f"preparation.prior_labels={prior}")
    network, task, recipe, image = made(SIDED, *more)
    answer = window_probabilities(network, task, image, recipe)
    turned = image.flip(1)[[0, 3, 2, 1]]
    torch.testing.assert_close(window_probabilities(network, task, turned, recipe), answer.flip(1)[SWAPPED])


def test_a_side_without_a_partner_cannot_be_mirrored() -> None:
    network, task, recipe, image = made(("left one", "middle"), "inference.mirror_axes=[left-right]")
    with pytest.raises(InputError, match="left one would be what no label names"):
        window_probabilities(network, task, image, recipe)
    network, task, recipe, image = made(("left one", "middle"), "inference.mirror_axes=[anterior-posterior]")
    window_probabilities(network, task, image, recipe)


def test_a_network_that_reads_unevenly_cannot_be_mirrored() -> None:
    _, _, recipe, _ = made(SIDED, "inference.mirror_axes=[left-right]", "sampling.patch_size=[1,1,1]")
    config = NetworkConfig(
        name="triplanar", channels=(2, 2, 2), dense_channels=(4, 4, 4), norm="batch", activation="prelu"
    )
    task = SegmentationTask(TaskConfig(), list(SIDED))
    network = build_network(config, 1, len(task.outputs), seed=0).eval()
    with pytest.raises(InputError, match="mirror_axes"):
        window_probabilities(network, task, torch.zeros(1, 4, 4, 4), recipe)
