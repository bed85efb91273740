from neurograft.recipes import load_recipe
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.pretrained import as_of_scans
from neurograft.recipes.schema import Recipe


def test_a_recipe_of_made_images_becomes_one_for_a_few_scans() -> None:
    source = load_recipe("builtin-subcortical", ["validation.keep=last"])
    recipe = override_recipe({**as_of_scans(source.model_dump(mode="json")), "labels": None}, [])
    assert not recipe.synthesis.enabled
    assert (recipe.budget, recipe.validation) == (Recipe().budget, Recipe().validation)
    assert recipe.augmentation == Recipe().augmentation.model_copy(update={"flip_axes": ("left-right",)})
    for section in ("network", "preparation", "sampling", "inference", "postprocessing", "optimiser"):
        assert getattr(recipe, section) == getattr(source, section)


def test_a_recipe_of_scans_stays() -> None:
    tree = load_recipe("hippocampus").model_dump(mode="json")
    assert as_of_scans(tree) == tree
