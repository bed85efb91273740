"""Recipe section ``optimiser``: how weights move."""

from typing import Literal

from pydantic import Field

from neurograft.recipes.schema.base import Section, Share


class OptimiserConfig(Section):
    """How weights move."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-5, ge=0)
    momentum: float = Field(0.99, ge=0, lt=1)
    """SGD only, with Nesterov's step."""
    schedule: Literal["constant", "poly", "cosine", "plateau", "step"] = "poly"
    poly_exponent: float = Field(0.9, gt=0)
    warmup_steps: int = Field(0, ge=0)
    plateau_factor: float = Field(0.1, gt=0, lt=1)
    plateau_patience: int = Field(5, ge=1)
    """Validations without a better figure before the rate is multiplied by the factor."""
    step_factor: float = Field(0.1, gt=0, le=1)
    """For ``step``: what the rate is multiplied by."""
    step_at: Share = Field(0.5, gt=0, lt=1)
    """For ``step``: after this share of the budget (P4: half)."""
    gradient_clip: float | None = Field(12.0, gt=0)
    """Largest norm of the gradient."""
    age_learning_rate: float | None = Field(None, gt=0)
    """Of the age head; ``None`` is ``learning_rate``. The strategy's factor and the schedule apply to both."""
