"""What the recipes of P1 and P3 hold, against the papers' printed values and their code's."""

import pytest
import torch

from neurograft.errors import InputError
from neurograft.networks import build_network
from neurograft.recipes import load_recipe
from neurograft.recipes.loading import override_recipe

PAPERS = ["p1-lc", "p1-snpc", "p3-neonatal", "p3-neonatal-code", "p3-neonatal-age"]


@pytest.mark.parametrize(("name", "structure"), [("p1-lc", "LC"), ("p1-snpc", "SNpc")])
def test_p1(name, structure) -> None:
    recipe = load_recipe(name)
    assert recipe.labels == (structure,)
    assert recipe.budget == "2500epochs"
    assert (recipe.network.name, recipe.network.norm, recipe.network.activation) == ("unet3d", "batch", "relu")
    assert recipe.network.block_order == "conv-act-norm"
    assert len(recipe.network.channels) == 4
    assert (recipe.task.output, recipe.task.loss) == ("sigmoid", "dice")
    assert recipe.sampling.patch_size == (64, 64, 64)
    assert (recipe.sampling.batch_size, recipe.sampling.target_probability) == (32, 0.5)
    optimiser = recipe.optimiser
    assert (optimiser.name, optimiser.learning_rate, optimiser.schedule) == ("adam", 0.001, "constant")
    assert recipe.inference.window == (128, 128, 128)
    assert (recipe.inference.overlap, recipe.inference.threshold) == (0.5, 0.5)
    assert recipe.validation.keep == "best"
    assert recipe.preparation.spacing_mm is None


def test_p1s_two_recipes_differ_in_the_structure_only() -> None:
    lc, snpc = (load_recipe(name).model_dump(exclude={"labels", "description"}) for name in ("p1-lc", "p1-snpc"))
    assert lc == snpc


@pytest.mark.parametrize("name", PAPERS)
def test_augmentations_that_a_paper_does_not_have_are_off(name) -> None:
    augmentation = load_recipe(name).augmentation
    assert augmentation.gamma_probability == 0
    if name.startswith("p1"):
        chances = {key: value for key, value in augmentation.model_dump().items() if key.endswith("_probability")}
        off = set(chances) - {"rotation_probability", "flip_probability", "translation_probability"}
        assert all(chances[key] == 0 for key in off)
        assert augmentation.flip_axes == ()
        assert augmentation.translation_voxels == (0, 0, 0)


def test_p3_by_the_text() -> None:
    recipe = load_recipe("p3-neonatal")
    assert recipe.budget == "60epochs"
    assert recipe.network.channels == (32, 64, 128, 256, 320, 320)
    assert (recipe.network.norm, recipe.network.activation) == ("instance", "leaky_relu")
    task = recipe.task
    assert (task.output, task.dice_activation, task.dice_denominator) == ("softmax", "output", "sum")
    assert (task.decision, task.deep_supervision_targets) == ("most_probable", "downsampled")
    assert task.include_background
    assert recipe.sampling.patch_size == (128, 128, 128)
    assert recipe.sampling.batch_size == 2
    optimiser = recipe.optimiser
    assert (optimiser.name, optimiser.learning_rate, optimiser.momentum) == ("sgd", 0.01, 0.99)
    assert (optimiser.weight_decay, optimiser.schedule, optimiser.poly_exponent) == (3e-5, "poly", 0.9)
    assert (recipe.inference.overlap, recipe.inference.merge) == (0.5, "uniform")


def test_p3s_code_differs_where_the_specification_says_so() -> None:
    text, code = (load_recipe(name).model_dump() for name in ("p3-neonatal", "p3-neonatal-code"))
    different = {
        f"{section}.{key}"
        for section, values in code.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if value != text[section][key]
    }
    assert different == {
        "network.channels",
        "network.auxiliary_heads",
        "task.dice_activation",
        "task.dice_denominator",
        "task.decision",
        "task.deep_supervision_targets",
        "sampling.patch_size",
    }
    assert code["budget"] == "40epochs"
    assert code["task"]["deep_supervision_weights"] == (1, 0.5, 0.25, 0.125)
    assert code["sampling"]["patch_size"] == (256, 256, 256)


def test_p3s_age_network_adds_the_age_only() -> None:
    plain, age = (load_recipe(name).model_dump() for name in ("p3-neonatal", "p3-neonatal-age"))
    assert age["task"]["age_weight"] == 0.01
    assert age["task"]["age_loss_unit"] == "covariate"
    assert age["optimiser"]["learning_rate"] == 0.001
    assert age["network"]["age_head"] == "paper"
    for section, key in (
        ("task", "age_weight"),
        ("task", "age_loss_unit"),
        ("optimiser", "learning_rate"),
        ("network", "age_head"),
    ):
        age[section][key] = plain[section][key]
    age["description"] = plain["description"]
    assert age == plain


@pytest.mark.parametrize(("name", "side"), [("p3-neonatal", 4), ("p3-neonatal-code", 4), ("p1-lc", 8)])
def test_bottleneck_at_the_papers_patch(name, side) -> None:
    recipe = load_recipe(name)
    with torch.device("meta"):
        network = build_network(recipe.network, 2, 10, seed=0)
    assert [length // step for length, step in zip(recipe.sampling.patch_size, network.stride, strict=True)] == [
        side
    ] * 3


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("p1-lc", ["preparation.spacing_mm=[0.375,0.375,0.375]", "preparation.interpolation=sinc"]),
        ("p1-snpc", ["budget=10000epochs", "postprocessing.min_voxels=50"]),
        (
            "p3-neonatal-code",
            ["sampling.patch_size=[128,128,128]", "network.channels=[32,64,128,256,320,320]", "network.age_head=code"],
        ),
        ("p3-neonatal-code", ["network.age_head=code", "task.age_weight=0.01", "task.age_loss_unit=covariate"]),
        ("p3-neonatal-code", ["label_budget.share=0.3", "label_budget.axis=axial"]),
        ("p3-neonatal-age", ["task.age_weight_schedule=rising", "optimiser.age_learning_rate=0.0001"]),
        (
            "p3-neonatal",
            ["network.age_head=paper", "task.age_weight=1", "task.train=age", "validation.keep=last"],
        ),
    ],
)
def test_overrides_that_the_recipes_name(name, overrides) -> None:
    load_recipe(name, overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task.deep_supervision_weights=[1, 0.5]"], "2 weights, and the network gives 1 outputs"),
        (["task.age_weight=0.1"], r"set network\.age_head"),
        (
            ["network.name=residual_unet3d", "network.age_head=paper", "task.age_weight=1", "task.train=age"],
            "keep: last",
        ),
        (
            ["network.name=residual_unet3d", "network.age_head=code"],
            "needs patches and windows of 32 voxels on 4 levels",
        ),
        (
            [
                "network.name=residual_unet3d",
                "network.age_head=code",
                "sampling.patch_size=[32, 30, 32]",
                "inference.window=[64, 64, 64]",
            ],
            "got 64 x 64 x 64",
        ),
    ],
)
def test_sections_that_do_not_go_together(overrides, message) -> None:
    with pytest.raises(InputError, match=message):
        override_recipe({}, overrides)
