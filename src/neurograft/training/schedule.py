"""How the learning rate changes over a training."""

import math

from neurograft.recipes.schema import OptimiserConfig


def rate_factor(config: OptimiserConfig, step: int, total_steps: int) -> float:
    """The factor on the learning rate at a step.

    ``poly`` is (1 - step / total) ** exponent, ``cosine`` falls to zero along half a wave;
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
    return warmup
