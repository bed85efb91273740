"""From the recipe of a finished model to that of a training which starts from it."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

SEGMENTATION_NETWORKS = {"encoder3d": "unet3d", "encoder_classifier2d": "encoder_decoder2d"}
"""Networks that end before any voxel gets a label, and those that go on with the same encoder."""


def as_segmentation(tree: dict[str, Any], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Replace what served the pre-training alone: the task, and a network without a decoder or without skips.

    Args:
        tree: the source's recipe as plain data; that of a segmentation stays as it is.
        overrides: strings ``section.key=value``; one that sets ``task.kind`` asks for another pre-training, for which
            everything stays as it is.
    """
    tree = deepcopy(tree)
    asks_for_a_task = any(text.partition("=")[0].strip() == "task.kind" for text in overrides)
    if tree["task"]["kind"] == "segmentation" or asks_for_a_task:
        return tree
    network = tree["network"]
    tree["task"] = {}
    tree["network"] = {**network, "name": SEGMENTATION_NETWORKS.get(network["name"], network["name"]), "skips": "all"}
    return tree


def as_of_scans(tree: dict[str, Any]) -> dict[str, Any]:
    """Replace what served images made from label maps, so that the recipe suits a few real scans.

    The budget, the augmentation but for its flips, and the choice of the weights go back to their defaults: what
    keeps a network from tiring of endless made images is too much, and too long, for a handful of scans.

    Args:
        tree: the source's recipe as plain data; that of a model of real scans stays as it is.
    """
    tree = deepcopy(tree)
    if not tree["synthesis"]["enabled"]:
        return tree
    tree.pop("budget")
    for section in ("validation", "label_budget", "synthesis"):
        tree[section] = {}
    tree["augmentation"] = {"flip_axes": tree["augmentation"]["flip_axes"]}
    return tree


def for_adaptation(tree: dict[str, Any], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe with which a model is adapted to another cohort: its own, without what was its cohort's or machine's.

    Args:
        tree: the source's recipe as plain data.
        overrides: strings ``section.key=value`` that will come on top.
    """
    tree = as_of_scans(as_segmentation(tree, overrides))
    validation = dict(tree["validation"])
    if validation.get("split") != "voxel":
        validation["hold_out"] = "auto"
    theirs: dict[str, Any] = {key: {} for key in ("compute", "label_budget", "synthesis", "label_quality")}
    return {**tree, **theirs, "labels": None, "validation": validation}
