from collections.abc import Callable
from typing import Any

import pytest
import torch

from neurograft.imaging.labels import LabelTable
from neurograft.models import BundleInfo
from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes import Recipe, load_recipe

RECIPE = ["network.channels=[2, 3]", "network.norm=batch", "preparation.spacing_mm=[0.8, 0.8, 1.25]"]


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("default", RECIPE)


@pytest.fixture
def network(recipe: Recipe) -> UnitNetwork:
    """One channel in, three rows out; every tensor, statistics included, away from its start."""
    network = build_network(recipe.network, 1, 3, seed=5)
    network.train()(torch.randn((2, 1, 4, 4, 4), generator=torch.Generator().manual_seed(0)))
    return network


@pytest.fixture
def make_info(recipe: Recipe, network: UnitNetwork) -> Callable[..., BundleInfo]:
    def make(**changes: Any) -> BundleInfo:
        content: dict[str, Any] = {
            "name": "lc-model",
            "units": [(unit.name, unit.role, unit.depth) for unit in network.units],
            "channels": ["NM"],
            "labels": LabelTable.from_names({1: "SNpc", 7: "LC"}).to_dict(),
            "recipe": recipe,
            "spacing_mm": (0.8, 0.8, 1.25),
            "strategy": "freeze(up1)",
            "plan": [
                {"unit": unit.name, "learning_rate_scale": 0.1, "norm": "train", "release": 0.25, "reset": False}
                for unit in network.units
            ],
            "parent": {"name": "snpc-model", "weights_sha256": "abcdef0123456789"},
            "label_from": {"LC": "SNpc"},
            "loading": {"copied": 20, "transplanted": 2},
            "training": {
                "seed": 3,
                "steps": 120,
                "seconds": 4.25,
                "kept": "best at step 60, validation Dice 0.8123",
                "training_subjects": 8,
                "validation_subjects": 2,
                "compute": "cpu, fp32, channels first, 1 threads",
                "date": "2026-01-02",
            },
            "training_subjects": [],
            "versions": {"neurograft": "9.8.7"},
        }
        return BundleInfo(**{**content, **changes})

    return make
