import re
from pathlib import Path

import pytest

from neurograft.errors import InputError
from neurograft.recipes import Recipe, load_recipe, recipe_names
from neurograft.recipes.loading import override_recipe


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads(name: str) -> None:
    assert isinstance(load_recipe(name), Recipe)
    assert load_recipe(name).description


def test_default_is_shipped_and_holds_the_schemas_defaults() -> None:
    assert "default" in recipe_names()
    assert load_recipe("default").model_copy(update={"description": ""}) == Recipe()


def test_file_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "budget: 60epochs\nsampling:\n  patch_size: [32, 48, 64]\n")
    recipe = load_recipe(path, ["sampling.batch_size=4", "budget=10min"])
    assert recipe.sampling.patch_size == (32, 48, 64)
    assert recipe.sampling.batch_size == 4
    assert recipe.budget == "10min"


@pytest.mark.parametrize(
    ("override", "section", "key", "expected"),
    [
        ("optimiser.learning_rate=1e-4", "optimiser", "learning_rate", 0.0001),
        ("optimiser.learning_rate=0.01", "optimiser", "learning_rate", 0.01),
        ("optimiser.gradient_clip=null", "optimiser", "gradient_clip", None),
        ("network.channels=[8, 16]", "network", "channels", (8, 16)),
        (" network.norm = group ", "network", "norm", "group"),
        ("preparation.spacing_mm=[1, 1, 2.5]", "preparation", "spacing_mm", (1.0, 1.0, 2.5)),
        ("compute.channels_last=true", "compute", "channels_last", True),
        ("compute.channels_last=auto", "compute", "channels_last", "auto"),
        ("validation.hold_out=3", "validation", "hold_out", 3),
        ("validation.hold_out=0.25", "validation", "hold_out", 0.25),
        ("augmentation.flip_axes=[left-right]", "augmentation", "flip_axes", ("left-right",)),
        ("inference.window=[64, 64, 32]", "inference", "window", (64, 64, 32)),
    ],
)
def test_override_types(override: str, section: str, key: str, expected: object) -> None:
    value = getattr(getattr(load_recipe("default", [override]), section), key)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("labels=[LC, SNpc]", ("LC", "SNpc")),
        ("labels={midbrain: [LC, SNpc]}", {"midbrain": ("LC", "SNpc")}),
        ("labels=null", None),
    ],
)
def test_override_of_labels(override: str, expected: object) -> None:
    assert load_recipe("default", [override]).labels == expected


def test_later_override_wins_and_the_callers_data_stays() -> None:
    tree = {"sampling": {"batch_size": 1}}
    assert override_recipe(tree, ["sampling.batch_size=2", "sampling.batch_size=3"]).sampling.batch_size == 3
    assert tree == {"sampling": {"batch_size": 1}}


def test_a_recipe_survives_its_own_writing() -> None:
    recipe = load_recipe("default", ["validation.hold_out=0.2", "labels={a: [b, c]}"])
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimiser.learning_rat=1",
            r"unknown key 'optimiser\.learning_rat'.*Did you mean 'learning_rate'\?.*Keys here",
        ),
        ("buget=1h", r"unknown key 'buget'.*Did you mean 'budget'\?"),
        ("sampling=3", r"sampling: .*given: 3"),
        ("sampling.batch_size=two", r"sampling\.batch_size: .*given: 'two'"),
        ("sampling.batch_size=0", r"sampling\.batch_size"),
        ("sampling.patch_size=[64, 64]", r"sampling\.patch_size"),
        ("sampling.patch_size=[64, 64, 0]", r"sampling\.patch_size"),
        ("network.channels=[16]", r"network\.channels"),
        ("network.channels=[16, -3]", r"network\.channels"),
        ("network.norm=layer", r"network\.norm: .*'batch'.*given: 'layer'"),
        ("preparation.spacing_mm=[1, 1, 0]", r"preparation\.spacing_mm"),
        ("preparation.percentiles=[99, 1]", r"preparation\.percentiles must rise within 0 to 100, got 99"),
        ("augmentation.scale=[1.2, 0.8]", r"augmentation\.scale: the second number must not be smaller"),
        ("augmentation.gamma=[0, 1.5]", r"both ends of augmentation\.gamma must be above 0"),
        ("augmentation.scale=[0, 1]", r"both ends of augmentation\.scale must be above 0"),
        ("augmentation.rotation_degrees=[.nan, 0, 0]", r"augmentation\.rotation_degrees"),
        ("optimiser.learning_rate=.inf", r"optimiser\.learning_rate"),
        ("validation.every=0", r"validation\.every"),
        ("compute.threads=0", r"compute\.threads"),
        ("nothing", "not of the form key=value"),
        ("budget.length=3", "reaches into 'budget'"),
        ("labels=[a", "the value is not valid YAML"),
        ("description=2024-13-45", "the value is not valid YAML"),
    ],
)
def test_override_that_cannot_be_used(override: str, message: str) -> None:
    tree = {"budget": "10steps"}
    with pytest.raises(InputError, match=message):
        override_recipe(tree, [override])


def test_message_about_several_keys_does_not_print_the_whole_recipe() -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("default", ["preparation.percentiles=[99, 1]"])
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "budget", ["", "1000", "steps", "10 days", "-5steps", "1e3steps", "10minutes", "ten steps", "5steps 5steps", 1000]
)
def test_bad_budgets(budget: object) -> None:
    with pytest.raises(InputError, match="budget"):
        override_recipe({"budget": budget}, [])


@pytest.mark.parametrize("budget", ["1step", "2000steps", "60epochs", "1epoch", "10min", "90 s", "1.5h"])
def test_good_budgets(budget: str) -> None:
    assert override_recipe({"budget": budget}, []).budget == budget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budget: [", "not valid YAML"),
        ("description: 2024-13-45", "not valid YAML"),
        ("- a\n- b", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("network:\n  chanels: [1, 2]", r"unknown key 'network\.chanels'.*Did you mean 'channels'\?"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(path)
    assert caught.value.file == path


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="text file"):
        load_recipe(path)


def test_empty_file_is_the_default_recipe(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, "")) == Recipe()


def test_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(
        InputError, match=re.escape("no recipe named 'defalt', and no such file. Did you mean 'default'?")
    ):
        load_recipe("defalt")


def test_recipes_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("default").sampling.batch_size = 3  # type: ignore[misc]
