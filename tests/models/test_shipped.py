"""The built-in models that come with the package: what their cards promise, and that they find their way in a brain."""

import numpy as np
import pytest

from neurograft.imaging.grid import Grid
from neurograft.imaging.template import MNI_CODE, mni152
from neurograft.imaging.volume import Volume
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle, open_bundle
from neurograft.models.bundle import WEIGHTS
from neurograft.recipes import load_recipe

NAMES = ("builtin:subcortical", "builtin:brain")
LARGEST_MIB = 20


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> Bundle:
    return open_bundle(request.param)


@pytest.fixture(scope="module")
def volumes_of_the_template(shipped: Bundle) -> dict[str, tuple[float, float]]:
    """Volume in cubic millimetres, and mean x in millimetres (right is positive), of each label."""
    template = mni152(1)
    classes = Segmenter([shipped]).segment([template]).classes
    found = {}
    for number, label in enumerate(shipped.labels.names, start=1):
        places = np.argwhere(classes == number)
        x = (places @ template.grid.affine[:3, :3].T + template.grid.affine[:3, 3])[:, 0]
        found[label] = (len(places) * template.grid.voxel_volume_mm3, float(x.mean()) if len(x) else float("nan"))
    return found


def test_it_is_small_and_in_half_precision(shipped: Bundle) -> None:
    assert shipped.info.storage == "float16"
    assert (shipped.path / WEIGHTS).stat().st_size <= LARGEST_MIB * 2**20


def test_the_recipe_in_the_package_is_the_one_that_trained_it(shipped: Bundle) -> None:
    recipe = load_recipe(shipped.info.name.replace(":", "-"))
    assert shipped.info.recipe == recipe
    assert shipped.info.training["steps"] == int(str(recipe.budget).removesuffix("steps"))


def test_its_card_says_what_it_learnt_from_and_what_it_cannot(shipped: Bundle) -> None:
    card = (shipped.path / "README.md").read_text("utf-8")
    assert shipped.info.limits
    assert shipped.info.figures
    assert len(shipped.info.sources) == shipped.info.training["training_subjects"] == 20
    for text in (*shipped.info.limits, *shipped.info.sources.values()):
        assert text in card


def test_every_structure_of_the_template_is_found_on_its_side(
    volumes_of_the_template: dict[str, tuple[float, float]],
) -> None:
    for label, (volume, x) in volumes_of_the_template.items():
        assert volume > 100, label
        if label.startswith("left "):
            assert x < -5, label
        elif label.startswith("right "):
            assert x > 5, label
        else:
            assert abs(x) < 3, label


def test_both_sides_of_the_template_are_alike(volumes_of_the_template: dict[str, tuple[float, float]]) -> None:
    # The template is symmetric. Of the thin inferior horns not much more than their place is known, as the card says.
    for label, (volume, _) in volumes_of_the_template.items():
        if label.startswith("left "):
            other = volumes_of_the_template[label.replace("left", "right", 1)][0]
            widest = 2.0 if "inferior" in label else 1.4
            assert 1 / widest < volume / other < widest, label


def test_a_scan_that_is_stored_flipped_gets_the_same_answer(shipped: Bundle) -> None:
    whole = mni152(2)
    start, size = (30, 40, 25), (40, 44, 32)  # the middle of the brain: 80 x 88 x 64 mm
    data = whole.data[tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))].copy()
    affine = whole.grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    middle = Volume(data, Grid.from_affine(size, affine, MNI_CODE))
    turned_affine = affine.copy()
    turned_affine[:3, 3] += affine[:3, 0] * (size[0] - 1)
    turned_affine[:3, 0] *= -1
    flipped = Volume(data[::-1].copy(), Grid.from_affine(size, turned_affine, MNI_CODE))
    segmenter = Segmenter([shipped])
    straight, turned = segmenter.segment([middle]).classes, segmenter.segment([flipped]).classes
    assert bool(straight.any())
    # The last bit of an affine may decide between two labels that are as probable.
    assert np.count_nonzero(straight != turned[::-1]) <= 1e-4 * np.count_nonzero(straight)
