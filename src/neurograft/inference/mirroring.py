"""Windows seen in a mirror too: the mean of a network's answers to a window and to its mirror images."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.sides import pair_sides
from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import Recipe
from neurograft.sampling.augmentation.spatial import flipped_array_axes
from neurograft.tasks import Task

Answer = Callable[[Tensor, Tensor | None], Tensor]
"""From windows (N, C, D, H, W), and where answers are wanted (N, d, h, w), to activations (N, K, d, h, w)."""


def mirrored(answer: Answer, network: UnitNetwork, task: Task, recipe: Recipe) -> Answer:
    """The mean over all mirror images along ``inference.mirror_axes``; `answer` itself where there are none.

    An image that is mirrored from left to right shows the left of what has sides where the right was: the outputs
    of paired labels, and a prior's channels of them, change places.

    Args:
        answer: to windows as they are.
        network: whose answer that is.
        task: names the outputs.
        recipe: its axes, orientation and prior.

    Raises:
        InputError: the network reads further to one side than to the other, so that mirrored answers would lie
            elsewhere; or left and right are mirrored, and a label has a side and no partner.
    """
    axes = flipped_array_axes(recipe.inference.mirror_axes, recipe.preparation.orientation)
    if not axes:
        return answer
    uneven = [axis for axis in axes if network.context.before[axis] != network.context.after[axis]]
    if uneven:
        raise InputError(
            "inference.mirror_axes: the network reads further to one side of a voxel than to the other, so its "
            "mirrored answers would be off by a voxel",
            "Set inference.mirror_axes=[]",
        )
    (left_right,) = flipped_array_axes(["left-right"], recipe.preparation.orientation)
    alone = pair_sides(list(task.outputs))[1] if left_right in axes else []
    if alone:
        raise InputError(
            f"inference.mirror_axes has left-right, and in a mirror {alone[0]} would be what no label names",
            "Leave left-right out of inference.mirror_axes",
        )
    outputs = _swapped(task.outputs)
    prior = recipe.preparation.prior_labels or ()
    ways = [
        tuple(axis for axis, flip in zip(axes, flips, strict=True) if flip)
        for flips in product((False, True), repeat=len(axes))
    ]

    def mean(windows: Tensor, wanted: Tensor | None = None) -> Tensor:
        total: Tensor | None = None
        for way in ways:
            seen = windows.flip([axis - 3 for axis in way])
            where = None if wanted is None else wanted.flip([axis - 3 for axis in way])
            if left_right in way and prior:
                own = windows.shape[1] - len(prior)
                seen = torch.cat([seen[:, :own], seen[:, own:][:, _swapped(prior)]], 1)
            found = answer(seen, where).flip([axis - 3 for axis in way])
            if left_right in way:
                found = found[:, outputs]
            total = found if total is None else total + found
        assert total is not None
        return total / len(ways)

    return mean


def _swapped(names: tuple[str, ...]) -> list[int]:
    """For each name where its other side stands; its own place where it has none."""
    places = list(range(len(names)))
    for left, right in pair_sides(list(names))[0]:
        places[left], places[right] = right, left
    return places
