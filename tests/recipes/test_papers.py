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
        moves = ("rotation", "flip", "translation", "shear")
        off = set(chances) - {f"{kind}_probability" for kind in moves}
        assert all(chances[key] == 0 for key in off)
        assert augmentation.flip_axes == ()
        assert augmentation.translation_voxels == augmentation.shear_degrees == (0, 0, 0)


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


def test_p2s_source() -> None:
    recipe = load_recipe("p2-source")
    assert recipe.labels == ("RN", "SN-STN")
    assert recipe.preparation.crop_size == (128, 128, None)
    network = recipe.network
    assert (network.name, network.slice_axis, network.neighbour_slices) == ("attention_unet2d", "axial", 1)
    assert (network.attention_gates, network.encoder, network.output_branches) == ("all", "plain", "shared")
    assert len(network.channels) == 5
    task = recipe.task
    assert (task.output, task.loss, task.deep_supervision_weights) == ("sigmoid", "dice_ce", (0.6, 0.3, 0.1))
    assert recipe.sampling.batch_size == 32
    augmentation = recipe.augmentation
    assert (augmentation.translation_voxels, augmentation.rotation_degrees) == ((15, 15, 0), (0, 0, 10))
    assert augmentation.scale == (0.8, 1.2)
    assert augmentation.shear_degrees == (0, 0, 0)
    off = ("elastic", "noise", "blur", "intensity_scale", "intensity_shift", "gamma")
    assert all(getattr(augmentation, f"{kind}_probability") == 0 for kind in off)
    optimiser = recipe.optimiser
    assert (optimiser.name, optimiser.learning_rate, optimiser.schedule) == ("adam", 0.0001, "constant")
    assert recipe.validation.early_stopping_patience == 20
    assert recipe.inference.threshold == 0.5
    assert (recipe.postprocessing.keep_largest, recipe.postprocessing.connectivity) == (2, 26)


def test_p2s_target_differs_in_slices_labels_and_sizes_only() -> None:
    source, target = (load_recipe(name).model_dump() for name in ("p2-source", "p2-target"))
    different = {
        f"{section}.{key}": value
        for section, values in target.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if value != source[section][key]
    }
    assert different == {
        "preparation.crop_size": (96, None, 96),
        "network.slice_axis": "coronal",
        "sampling.patch_size": (96, 1, 96),
        "sampling.patches_per_subject": 36,
        "augmentation.translation_voxels": (15, 0, 15),
        "augmentation.rotation_degrees": (0, 10, 0),
        "validation.every": 54,
        "inference.window": (96, 16, 96),
    }
    assert target["labels"] == ("RN", "SN", "STN")
    assert target["budget"] == source["budget"]


@pytest.mark.parametrize("name", ["p2-source", "p2-target"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["network.attention_gates=none"],
        ["network.encoder=resnet50"],
        ["network.output_branches=labels", "network.auxiliary_heads=0", "task.deep_supervision_weights=[1]"],
        ["augmentation.shear_degrees=[5, 5, 5]"],
    ],
)
def test_p2s_ablations(name, overrides) -> None:
    """The names that the recipes give; and whole slices, one patch thick, in windows of many slices."""
    recipe = load_recipe(name, overrides)
    axis = {"axial": 2, "coronal": 1}[recipe.network.slice_axis]
    for number in range(3):
        if number == axis:
            assert (recipe.sampling.patch_size[number], recipe.preparation.crop_size[number]) == (1, None)
        else:
            sizes = (recipe.sampling.patch_size, recipe.preparation.crop_size, recipe.inference.window)
            assert len({size[number] for size in sizes}) == 1
            assert sizes[0][number] % 32 == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["network.name=attention_unet2d"], "set network.slice_axis to sagittal, coronal or axial"),
        (["network.slice_axis=axial"], "unet3d is no network of slices; network.slice_axis is attention_unet2d's"),
        (["network.attention_gates=none"], "network.attention_gates is attention_unet2d's"),
        (
            ["network.name=attention_unet2d", "network.slice_axis=axial", "network.encoder=resnet50"],
            "give five network.channels, not 4",
        ),
        (
            ["network.name=attention_unet2d", "network.slice_axis=axial", "network.age_head=paper"],
            "attention_unet2d has no age head",
        ),
        (
            ["network.name=attention_unet2d", "network.slice_axis=axial", "preparation.orientation=SAR"],
            "set preparation.orientation: RAS",
        ),
        (["preparation.crop=centre", "preparation.crop_size=[4, 0, null]"], "crop_size"),
    ],
)
def test_slices_that_do_not_go_together(overrides, message) -> None:
    with pytest.raises(InputError, match=message):
        override_recipe({}, overrides)


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "LAS"])
def test_slices_lie_across_array_axes_in_any_of_these_orientations(orientation) -> None:
    override_recipe(
        {},
        ["network.name=attention_unet2d", "network.slice_axis=axial", f"preparation.orientation={orientation}"],
    )


P4 = ["p4-segmentation", "p4-autoencoding", "p4-classification", "p4-target"]


@pytest.mark.parametrize("name", P4)
def test_p4_sees_padded_axial_slices_in_the_templates_space(name) -> None:
    recipe = load_recipe(name)
    preparation = recipe.preparation
    assert (preparation.space, preparation.spacing_mm, preparation.crop_size) == ("mni152", (1, 1, 1), (256, 256, None))
    assert (preparation.normalisation, preparation.percentiles) == ("percentile", (1, 99))
    network = recipe.network
    assert (network.slice_axis, network.neighbour_slices, network.stem_channels) == ("axial", 0, 64)
    assert network.latent_channels == 4
    assert (recipe.sampling.patch_size, recipe.sampling.batch_size) == ((256, 256, 1), 32)
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate) == ("adam", 1e-4)
    off = ("rotation", "scale", "elastic", "noise", "blur", "intensity_scale", "intensity_shift", "gamma")
    assert all(getattr(recipe.augmentation, f"{kind}_probability") == 0 for kind in off)


def test_p4s_sources_differ_in_their_task() -> None:
    segmentation, autoencoding, classification = (load_recipe(name) for name in P4[:3])
    for recipe in (segmentation, autoencoding, classification):
        assert (recipe.budget, recipe.optimiser.weight_decay) == ("30epochs", 2e-6)
        assert recipe.optimiser.schedule == "constant"
    assert (segmentation.task.loss, segmentation.task.class_weights) == ("ce", "median_frequency")
    assert autoencoding.task.reconstruction_error == "absolute"
    adversary = autoencoding.task.adversary
    assert (adversary.weight, adversary.from_step, adversary.learning_rate) == (0.004, 26000, 1e-5)
    assert (adversary.real_label, adversary.first_stride) == (0.9, 1)
    assert (classification.task.kind, classification.network.name) == ("classification", "encoder_classifier2d")
    assert classification.network.classifier_features == 2048


def test_p4s_target() -> None:
    recipe = load_recipe("p4-target")
    optimiser = recipe.optimiser
    assert (optimiser.schedule, optimiser.step_at, optimiser.step_factor) == ("step", 0.5, 0.1)
    assert (optimiser.weight_decay, recipe.budget) == (2e-4, "60epochs")
    assert (recipe.validation.hold_out, recipe.validation.keep) == (0, "last")
    task = load_recipe("p4-target", ["task.loss=ce", "task.class_weight_limit=null"]).task
    assert task == load_recipe("p4-segmentation").task, "the paper's loss, as the recipe says to get it"


@pytest.mark.parametrize("name", P4)
def test_p4_on_a_small_computer(name) -> None:
    """The overrides that the recipes give."""
    small = [
        "network.stem_channels=16",
        "network.channels=[8,8,16,32,64]",
        "preparation.space=native",
        "preparation.spacing_mm=null",
        "preparation.crop_size=[96,128,null]",
        "sampling.patch_size=[96,128,1]",
        "inference.window=[96,128,16]",
        "sampling.batch_size=8",
    ]
    assert load_recipe(name, small).network.stem_channels == 16
