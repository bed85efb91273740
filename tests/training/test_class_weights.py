import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurograft.errors import InputError
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.loading import override_recipe
from neurograft.sampling.examples import TrainingCase
from neurograft.tasks import build_task
from neurograft.training.class_weights import limited, median_frequency_weights, weighted, with_class_weights


def case(target) -> TrainingCase:
    classes = torch.as_tensor(np.asarray(target), dtype=torch.int16)
    return TrainingCase("c", "s", torch.zeros((1, *classes.shape)), classes)


def test_by_hand() -> None:
    # Two slices of four voxels along the last axis: 3 x background and 1 x a; 2 x background and 2 x b.
    target = np.zeros((2, 2, 2), int)
    target[0, 0, 0] = 1
    target[0, :, 1] = 2
    weights = median_frequency_weights([case(target)], 2, slice_axis=2)
    # Frequencies 5/8, 1/4 and 2/4; the median is 1/2.
    assert weights == pytest.approx((0.5 / 0.625, 0.5 / 0.25, 1.0))
    # Volumes instead of slices: 5/8, 1/8, 2/8.
    assert median_frequency_weights([case(target)], 2, None) == pytest.approx((0.25 / 0.625, 2.0, 1.0))


def test_what_nobody_looked_at_and_what_is_nowhere() -> None:
    target = np.full((1, 1, 8), IGNORE)
    target[..., :4] = [[[0, 0, 0, 1]]]
    assert median_frequency_weights([case(target)], 2, None) == pytest.approx((0.5 / 0.75, 2.0, 1.0))


@given(st.lists(st.integers(0, 3), min_size=12, max_size=12), st.sampled_from([None, 0, 1, 2]))
def test_against_a_slow_version(values, axis) -> None:
    target = np.array(values).reshape(2, 3, 2)
    pictures = [target] if axis is None else [target.take(i, axis) for i in range(target.shape[axis])]
    frequencies = {}
    for number in set(values):
        shown = [picture for picture in pictures if (picture == number).any()]
        frequencies[number] = sum((p == number).sum() for p in shown) / sum(p.size for p in shown)
    middle = np.median(list(frequencies.values()))
    wanted = [middle / frequencies[number] if number in frequencies else 1.0 for number in range(4)]
    assert median_frequency_weights([case(target)], 3, axis) == pytest.approx(wanted)


def test_the_recipe_keeps_them_and_the_loss_uses_them() -> None:
    recipe = override_recipe({}, ["task.class_weights=median_frequency", "task.loss=ce"])
    target = np.zeros((2, 2, 2), int)
    target[0, 0, 0] = 1
    settled = with_class_weights(recipe, [case(target)], 1, None)
    assert settled.task.class_weight_values == pytest.approx((0.5 / 0.875, 4.0))
    again = with_class_weights(settled, [case(1 - target)], 1, None)
    assert again.task.class_weight_values == pytest.approx((4.0, 0.5 / 0.875)), "measured anew for other cases"
    task = weighted(build_task(recipe.task, ["a"], ["image"]), settled)
    logits = torch.randn((1, 2, 2, 2, 2), generator=torch.Generator().manual_seed(0))
    classes = torch.as_tensor(target)[None]
    wanted = torch.nn.functional.cross_entropy(logits, classes, weight=torch.tensor(settled.task.class_weight_values))
    torch.testing.assert_close(task.loss({"main": logits}, classes), wanted)
    assert task.loss({"main": logits}, torch.full_like(classes, IGNORE)) == 0


def test_without_them_nothing_changes() -> None:
    recipe = override_recipe({}, [])
    assert with_class_weights(recipe, [case(np.zeros((1, 1, 1)))], 1, None) is recipe
    task = build_task(recipe.task, ["a"], ["image"])
    assert weighted(task, recipe) is task


def test_no_class_outweighs_another_beyond_the_limit() -> None:
    assert limited((0.5, 321.0, 2.0), 20) == (0.5, 10.0, 2.0)
    assert limited((0.5, 321.0), None) == (0.5, 321.0)
    recipe = override_recipe({}, ["task.class_weights=median_frequency", "task.class_weight_limit=5"])
    target = np.zeros((1, 10, 10), np.int64)
    target[0, 0, 0] = 1
    background, lesion = with_class_weights(recipe, [case(target)], 1, None).task.class_weight_values or (0, 0)
    assert lesion == pytest.approx(5 * background)
    with pytest.raises(InputError, match="class_weight_limit"):
        override_recipe({}, ["task.class_weight_limit=5"])
