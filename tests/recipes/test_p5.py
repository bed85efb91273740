"""What the recipes of P5 hold, against the paper's text and its public code."""

import pytest

from neurograft.networks import build_network
from neurograft.recipes import Recipe, load_recipe
from neurograft.recipes.loading import override_recipe


def values(recipe: Recipe) -> dict[str, object]:
    return {
        f"{section}.{key}": value
        for section, fields in recipe.model_dump().items()
        if isinstance(fields, dict)
        for key, value in fields.items()
    }


def test_the_paper() -> None:
    recipe = load_recipe("p5-subcortical")
    assert recipe.budget == "200epochs"
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate, recipe.optimiser.schedule) == (
        "adam",
        0.01,
        "constant",
    )
    assert (recipe.sampling.kind, recipe.sampling.batch_size, recipe.sampling.shell_voxels) == ("voxels", 128, 5)
    validation = recipe.validation
    assert (validation.hold_out, validation.figure, validation.every) == (0.25, "accuracy", "epoch")
    assert validation.early_stopping_patience == 20
    assert validation.split == "subject"
    assert recipe.task.loss == "ce"
    assert (recipe.postprocessing.connectivity, recipe.postprocessing.keep_largest) == (6, 1)
    assert (recipe.inference.region, recipe.inference.region_margin) == ("prior", 15)


@pytest.mark.parametrize("name", ["p5-subcortical", "p5-subcortical-code"])
def test_nothing_is_augmented_and_the_network_is_the_papers(name: str) -> None:
    recipe = load_recipe(name)
    augmentation = recipe.augmentation
    on = {key for key, chance in augmentation.model_dump().items() if key.endswith("_probability") and chance}
    assert on <= {"flip_probability", "translation_probability", "shear_probability"}
    assert augmentation.flip_axes == ()
    assert augmentation.translation_voxels == augmentation.shear_degrees == (0, 0, 0)
    network = build_network(recipe.network, 16, 15, seed=0, prior_channels=15)
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.ndim > 1) == 140_940 + 737_100
    assert recipe.network.dropout == 0.3


def test_the_code_differs_where_the_specification_says_so() -> None:
    text, code = (load_recipe(name) for name in ("p5-subcortical", "p5-subcortical-code"))
    assert (text.budget, code.budget) == ("200epochs", "100epochs")
    different = {key for key, value in values(code).items() if value != values(text)[key]}
    assert different == {
        "sampling.batch_size",
        "optimiser.learning_rate",
        "validation.figure",
        "postprocessing.largest_by",
    }
    assert (code.sampling.batch_size, code.optimiser.learning_rate) == (256, 0.001)
    assert (code.validation.figure, code.validation.early_stopping_patience) == ("loss", 20)
    assert (code.postprocessing.largest_by, code.postprocessing.prior_margin) == ("prior_overlap", 5)


@pytest.mark.parametrize(
    "overrides",
    [
        ["validation.split=voxel"],
        ["validation.hold_out=0"],
        ["optimiser.learning_rate=0.0001"],
        ["preparation.prior=none", "inference.region=whole"],
        ["validation.figure=dice", "validation.every=2000"],
    ],
)
def test_the_overrides_that_the_recipe_names(overrides: list[str]) -> None:
    override_recipe(load_recipe("p5-subcortical").model_dump(mode="json"), overrides)
