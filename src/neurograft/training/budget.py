"""How long to train, in steps; time is turned into steps before training begins."""

import logging
from bisect import bisect_right
from collections.abc import Callable

from neurograft.errors import InputError
from neurograft.recipes.budget import Budget

logger = logging.getLogger(__name__)


def plan_steps(
    budget: Budget,
    steps_per_epoch: int,
    seconds_a_step: Callable[[], float],
    seconds_a_validation: Callable[[], float],
    validations: Callable[[int], int],
) -> int:
    """Turn a budget into a number of steps.

    A time budget is turned into steps once, from measured steps and validations, so that schedules know
    their end; a run that is resumed keeps its number. The time that a run takes can therefore differ
    from the budget by as much as the machine's speed changes meanwhile.

    Args:
        budget: what was asked for.
        steps_per_epoch: of the patches.
        seconds_a_step: measures one training step; called for time budgets only.
        seconds_a_validation: measures one validation; called for time budgets only.
        validations: how many so many steps come with, at most; more steps never come with fewer.

    Returns:
        At least one step.

    Raises:
        InputError: a time budget that validation leaves no room in for a step.
    """
    if budget.unit == "steps":
        return max(1, round(budget.amount))
    if budget.unit == "epochs":
        return max(1, round(budget.amount * steps_per_epoch))
    step, validation = seconds_a_step(), seconds_a_validation()

    def seconds(steps: int) -> float:
        return steps * step + validations(steps) * validation

    if validation and seconds(1) > budget.amount:
        raise InputError(
            f"a step takes {step:.2g} s and a validation {validation:.2g} s, and the budget is {budget.amount:g} s",
            "Raise the budget, or hold fewer out with validation.hold_out",
        )
    total = max(1, bisect_right(range(1, int(budget.amount / step) + 1), budget.amount, key=seconds))
    looking = validations(total) * validation
    if looking > budget.amount / 2:
        logger.warning(
            "validation takes about %.0f s of the budget of %.0f s, which leaves time for %d steps; "
            "raise validation.every, or hold fewer out with validation.hold_out",
            looking,
            budget.amount,
            total,
        )
    return total


def expected_seconds(budget: Budget, steps_per_epoch: int, seconds_a_step: float) -> float:
    """Seconds that a training takes, validations aside."""
    if budget.unit == "seconds":
        return budget.amount
    return budget.amount * seconds_a_step * (steps_per_epoch if budget.unit == "epochs" else 1)
