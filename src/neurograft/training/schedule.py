"""How the learning rate changes over a training."""

import math
from dataclasses import dataclass
from typing import Literal

from neurograft.recipes.schema import OptimiserConfig


def rate_factor(config: OptimiserConfig, step: int, total_steps: int) -> float:
    """The factor on the learning rate at a step.

    ``poly`` is (1 - step / total) ** exponent, ``cosine`` falls to zero along half a wave;
    ``step`` is 1 up to a share of the budget and a factor from there on;
    ``constant`` and ``plateau`` are 1 (a plateau's own drops come on top). A warm-up rises
    linearly over its steps first.

    Args:
        config: the recipe's optimiser section.
        step: steps done, from 0.
        total_steps: of the whole training.

    Example:
        >>> round(rate_factor(OptimiserConfig(schedule="poly"), 500, 1000), 4)
        0.5359
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    progress = min(1.0, step / max(1, total_steps))
    if config.schedule == "poly":
        return float(warmup * (1 - progress) ** config.poly_exponent)
    if config.schedule == "cosine":
        return warmup * (1 + math.cos(math.pi * progress)) / 2
    if config.schedule == "step" and step >= config.step_at * total_steps:
        return warmup * config.step_factor
    return warmup


@dataclass
class Plateau:
    """A factor on the learning rate that falls whenever a figure stops getting better.

    Attributes:
        factor: what the scale is multiplied by.
        patience: figures in a row without a better one before it is.
        better: whether a higher or a lower figure is better.
        scale: the factor on the learning rate by now.
        best: the best figure so far.
        waited: figures since then, or since the last drop.
    """

    factor: float
    patience: int
    better: Literal["higher", "lower"]
    scale: float = 1.0
    best: float | None = None
    waited: int = 0

    def see(self, figure: float) -> bool:
        """Take the next figure.

        Returns:
            Whether the scale has dropped.
        """
        if self.best is None or (figure > self.best if self.better == "higher" else figure < self.best):
            self.best, self.waited = figure, 0
            return False
        self.waited += 1
        if self.waited < self.patience:
            return False
        self.scale *= self.factor
        self.waited = 0
        return True

    def state_dict(self) -> dict[str, float | None]:
        """What a resumed training needs."""
        return {"scale": self.scale, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Take over what `state_dict` gave."""
        self.scale, self.best, self.waited = float(state["scale"] or 0.0), state["best"], int(state["waited"] or 0)
