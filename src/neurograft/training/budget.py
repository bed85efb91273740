"""How long to train, in steps; time is turned into steps before training begins."""

from collections.abc import Callable

from neurograft.recipes.budget import Budget


def plan_steps(
    budget: Budget, steps_per_epoch: int, seconds_a_step: Callable[[], float], overhead_seconds: float
) -> int:
    """Turn a budget into a number of steps.

    A time budget is turned into steps once, from measured steps, so that schedules know their
    end; a run that is resumed keeps its number. The time that a run takes can therefore differ
    from the budget by as much as the machine's speed changes meanwhile.

    Args:
        budget: what was asked for.
        steps_per_epoch: of the patches.
        seconds_a_step: measures one training step; called for time budgets only.
        overhead_seconds: time budgeted for anything but steps (validation, preparation so far).

    Returns:
        At least one step.
    """
    if budget.unit == "steps":
        return max(1, round(budget.amount))
    if budget.unit == "epochs":
        return max(1, round(budget.amount * steps_per_epoch))
    return max(1, int((budget.amount - overhead_seconds) / seconds_a_step()))
