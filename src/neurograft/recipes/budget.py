"""Reading a budget: how much training is asked for."""

import re
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
