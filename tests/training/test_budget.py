import logging
import math

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


def _planned(seconds: float, step: float, validation: float, every: int | None = None) -> int:
    """Steps of a budget of time, validated ten times or after every so many steps."""

    def validations(steps: int) -> int:
        return min(steps, 10) if every is None else math.ceil(steps / every)

    return plan_steps(Budget(seconds, "seconds"), 4, lambda: step, lambda: validation, validations)


def test_steps_and_epochs_need_no_measurement() -> None:
    assert plan_steps(Budget(7, "steps"), 5, _never, _never, lambda steps: 9) == 7
    assert plan_steps(Budget(2.5, "epochs"), 4, _never, _never, lambda steps: 9) == 10
    assert plan_steps(Budget(0.01, "epochs"), 4, _never, _never, lambda steps: 9) == 1


def test_time_becomes_the_steps_that_fit_beside_their_validations() -> None:
    assert _planned(60, 0.5, 1.0) == 100
    assert _planned(60, 0.5, 0.0) == 120
    # 20 steps and a validation take 11 s: 5 times, and 8 steps more with a validation.
    assert _planned(60, 0.5, 1.0, every=20) == 108
    assert _planned(60, 0.5, 1.0, every=1000) == 118


def test_validations_that_would_not_be_made_take_no_time() -> None:
    # Ten validations would take 100 s; six steps are looked at six times.
    assert _planned(66, 1.0, 10.0) == 6


def test_validation_that_takes_most_of_the_time_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "neurograft"):
        assert _planned(60, 0.5, 3.0) == 60
        assert caplog.text == ""
        assert _planned(60, 0.5, 4.0) == 40
    assert "validation takes about 40 s of the budget of 60 s, which leaves time for 40 steps" in caplog.text


def test_time_too_short_for_a_step_still_makes_one() -> None:
    assert _planned(1, 5.0, 0.0) == 1


def test_time_too_short_for_a_step_beside_its_validation_is_refused() -> None:
    with pytest.raises(InputError, match=r"a validation 60 s, and the budget is 1 s.*hold_out"):
        _planned(1, 0.1, 60.0)
