import pytest

from neurograft.errors import InputError
from neurograft.recipes.budget import Budget, parse_budget
from neurograft.training.budget import plan_steps


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("2000steps", 2000, "steps"),
        ("1step", 1, "steps"),
        ("60 epochs", 60, "epochs"),
        ("0.5epochs", 0.5, "epochs"),
        ("90s", 90, "seconds"),
        ("10min", 600, "seconds"),
        ("1.5h", 5400, "seconds"),
        (" 3 s ", 3, "seconds"),
    ],
)
def test_budgets_are_read(text: str, amount: float, unit: str) -> None:
    assert parse_budget(text) == Budget(amount, unit)


@pytest.mark.parametrize("text", ["", "ten", "10", "10 minutes", "-3steps", "0steps", "0.0s", "1e3steps", "5 steps x"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="2000steps, 60epochs or 10min"):
        parse_budget(text)


def _never() -> float:
    raise AssertionError("nothing is to be measured")


def test_steps_and_epochs_need_no_measurement() -> None:
    assert plan_steps(Budget(7, "steps"), 5, _never, 100.0) == 7
    assert plan_steps(Budget(2.5, "epochs"), 4, _never, 100.0) == 10
    assert plan_steps(Budget(0.01, "epochs"), 4, _never, 0.0) == 1


def test_time_becomes_the_steps_that_fit_beside_the_overhead() -> None:
    assert plan_steps(Budget(60, "seconds"), 4, lambda: 0.5, 10.0) == 100
    assert plan_steps(Budget(60, "seconds"), 4, lambda: 0.5, 0.0) == 120


def test_time_too_short_for_a_step_still_makes_one() -> None:
    assert plan_steps(Budget(1, "seconds"), 4, lambda: 5.0, 0.0) == 1
    assert plan_steps(Budget(1, "seconds"), 4, lambda: 0.1, 60.0) == 1
