"""The age task: a number a subject, learnt beside the segmentation or alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class AgeScale:
    """How ages are told to a network: less their mean, in units of their standard deviation.

    Attributes:
        mean: of the training subjects, in the covariate's own unit.
        sd: their standard deviation (n - 1 in the denominator), or 1 where they are all of one age.
    """

    mean: float
    sd: float

    @classmethod
    def of(cls, ages: Sequence[float]) -> "AgeScale":
        """The scale of the training subjects' ages."""
        sd = float(np.std(ages, ddof=1)) if len(ages) > 1 else 0.0
        return cls(float(np.mean(ages)), sd if sd > 0 else 1.0)

    def to_dict(self) -> dict[str, float]:
        """Plain data, for a model bundle."""
        return asdict(self)

    def to_network(self, ages: Tensor) -> Tensor:
        """Ages (N,) to what the network shall say."""
        return (ages - self.mean) / self.sd

    def to_age(self, values: Tensor) -> Tensor:
        """What the network says (N,), in the covariate's unit."""
        return values * self.sd + self.mean


def age_loss(predicted: Tensor, ages: Tensor, scale: AgeScale, unit: Literal["sd", "covariate"]) -> Tensor:
    """Mean squared error of a batch.

    Args:
        predicted: (N,) as the network gives them.
        ages: (N,) in the covariate's unit.
        scale: ties the two.
        unit: take the error in standard deviations, or in the covariate's unit (years, weeks), in
            which it is larger by the variance of the training ages.

    Reference:
        Richter and Fetit 2022 (P3), AgeU-Net: mean squared error of the age, in weeks.
    """
    error = (predicted.float() - scale.to_network(ages)).square().mean()
    return error * scale.sd**2 if unit == "covariate" else error


def scheduled_weight(weight: float, schedule: Literal["constant", "rising"], progress: float) -> float:
    """The weight of a term at a moment of training: itself, or rising linearly from 0 to it at the end.

    Args:
        weight: at the end.
        schedule: of the two.
        progress: share of the budget that has passed, 0 to 1.
    """
    return weight if schedule == "constant" else weight * progress
