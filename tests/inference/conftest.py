"""Models whose answer is known exactly: they compare each voxel's intensity with thresholds."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from neurograft.cohorts import CohortFingerprint
from neurograft.models import Bundle, BundleInfo, open_bundle, save_bundle
from neurograft.networks import build_network
from neurograft.recipes.loading import override_recipe

BundleMaker = Callable[..., Bundle]

UNCHANGED = [
    "network.channels=[2, 2]",
    "network.norm=none",
    "network.activation=relu",
    "preparation.normalisation=none",
    "sampling.patch_size=[8, 8, 8]",
    "labels=null",
]


def _threshold_bundle(
    folder: Path,
    thresholds: Sequence[float] = (0.5,),
    names: Sequence[str] = ("bright",),
    values: Sequence[int] = (1,),
    channels: Sequence[str] = ("image",),
    reads: int = 0,
    slope: float = 1000.0,
    overrides: Sequence[str] = (),
    seen: CohortFingerprint | None = None,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Bundle:
    """A U-Net that passes channel `reads` of a non-negative image through its skip to the head.

    Label k is the answer where the intensity lies between thresholds k and k + 1; with one label
    its probability is the logistic function of slope * (intensity - threshold).
    """
    recipe = override_recipe({}, [*UNCHANGED, *overrides])
    network = build_network(recipe.network, len(channels), len(thresholds) + 1, seed=0)
    middle = (0, 0, 1, 1, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        state = network.state_dict()
        state["down1.conv1.weight"][0, reads, 1, 1, 1] = 1
        for name in ("down1.conv2.weight", "up1.block.conv1.weight", "up1.block.conv2.weight"):
            state[name][middle] = 1
        total = 0.0
        for row, threshold in enumerate(thresholds, start=1):
            # Row k overtakes row k - 1 where the intensity passes threshold k.
            total += threshold
            state["head.weight"][row, 0] = slope * row
            state["head.bias"][row] = -slope * total
    labels = [{"name": name, "values": [value]} for name, value in zip(names, values, strict=True)]
    info = BundleInfo(
        name=folder.name,
        units=[(unit.name, unit.role, unit.depth) for unit in network.units],
        channels=list(channels),
        labels={"labels": labels, "ignore_value": None, "other_values": []},
        recipe=recipe,
        spacing_mm=spacing_mm,
        strategy="scratch",
        plan=[
            {"unit": unit.name, "learning_rate_scale": 1.0, "reset": False, "norm": "train", "release": 0.0}
            for unit in network.units
        ],
        training={
            "seed": 0,
            "steps": 0,
            "seconds": 0.0,
            "kept": "last",
            "training_subjects": 0,
            "validation_subjects": 0,
            "compute": "by hand",
            "date": "2026-01-01",
        },
        training_subjects=[] if seen is None else [seen.to_dict()],
        versions={"neurograft": "0"},
    )
    save_bundle(folder, info, network)
    return open_bundle(folder)


@pytest.fixture(scope="session")
def threshold_bundle() -> BundleMaker:
    return _threshold_bundle
