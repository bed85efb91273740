"""What a strategy decides: one rule a unit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class UnitRule:
    """How one unit starts and learns.

    Attributes:
        learning_rate_scale: times the recipe's learning rate; 0 freezes the unit.
        reset: start from random weights although the source has some.
        norm: whether its norm layers learn, statistics included. In a unit of scale 0 whose
            norm is ``train``, the norms learn at the full rate.
        activation: whether the learnt slopes of its activations do as its weights, or learn at the full
            rate in a unit of scale 0 as well.
        release: share of the budget that passes before the unit begins to learn.
    """

    learning_rate_scale: float = 1.0
    reset: bool = False
    norm: Literal["train", "frozen"] = "train"
    release: float = 0.0
    activation: Literal["as weights", "train"] = "as weights"

    @property
    def norm_scale(self) -> float:
        """The learning-rate scale of the unit's norm layers."""
        if self.norm == "frozen":
            return 0.0
        return self.learning_rate_scale or 1.0

    @property
    def activation_scale(self) -> float:
        """The learning-rate scale of the unit's learnt activations."""
        return self.learning_rate_scale or float(self.activation == "train")

    @property
    def learns(self) -> bool:
        """Whether anything in the unit can change."""
        return self.learning_rate_scale > 0 or self.norm == "train" or self.activation == "train"


FROZEN = UnitRule(learning_rate_scale=0.0, norm="frozen")
FREE = UnitRule()


@dataclass(frozen=True)
class TransferPlan:
    """A strategy applied to a network: the one table that decides what is copied and what learns.

    Attributes:
        strategy: the strategy as it was written.
        rules: unit name -> rule, in the network's order.
        copies: whether weights come from a source at all.
        lora_rank: rank of the adapters on the convolutions of frozen units, or None.
        l2sp_weight: strength of the pull towards the source weights, or None.
        notes: what was changed about the strategy to make it possible, in sentences.
    """

    strategy: str
    rules: Mapping[str, UnitRule]
    copies: bool = True
    lora_rank: int | None = None
    l2sp_weight: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether any unit can change."""
        return self.lora_rank is not None or any(rule.learns for rule in self.rules.values())

    def freeing(self, unit: str, note: str) -> "TransferPlan":
        """The same plan with one unit learning at the full rate, and a note that says why."""
        rules = {**self.rules, unit: replace(self.rules[unit], learning_rate_scale=1.0, norm="train", release=0.0)}
        return replace(self, rules=rules, notes=(*self.notes, note))
