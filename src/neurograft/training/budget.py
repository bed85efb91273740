"""How long to train: steps, epochs, or time turned into steps before training begins."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from neurograft.errors import InputError

SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """An amount of training.

    Attributes:
        amount: how many.
        unit: of what; time is in seconds.
    """

    amount: float
    unit: Literal["steps", "epochs", "seconds"]


def parse_budget(text: str) -> Budget:
    """Read a budget such as ``2000steps``, ``60epochs``, ``10min``, ``90s``, ``1.5h``.

    Raises:
        InputError: another form, or nothing at all.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(steps?|epochs?|min|s|h)\s*", text)
    if not match or float(match.group(1)) <= 0:
        raise InputError(f"budget {text!r} is not understood", "Write for example 2000steps, 60epochs or 10min")
    amount, unit = float(match.group(1)), match.group(2)
    if unit in SECONDS:
        return Budget(amount * SECONDS[unit], "seconds")
    return Budget(amount, "epochs" if unit.startswith("epoch") else "steps")


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
