"""Time that a training is expected to take, by the unit of its budget."""

import pytest

from neurograft.recipes import load_recipe
from neurograft.studies.estimate import _training_seconds


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [("30steps", 30 * 0.5), ("10min", 600.0), ("3epochs", 3 * (4 * 8 / 2) * 0.5)],
)
def test_seconds_of_a_training_by_hand(budget: str, seconds: float) -> None:
    recipe = load_recipe("default", [f"budget={budget}", "sampling.patches_per_subject=8", "sampling.batch_size=2"])
    assert _training_seconds(recipe, 4, step_seconds=0.5) == pytest.approx(seconds)
