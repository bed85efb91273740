"""Recipe section ``validation``: which subjects are held out of training to choose the weights, and how often."""

from typing import Literal

from pydantic import Field, PositiveInt

from neurograft.recipes.schema.base import Section, Share


class ValidationConfig(Section):
    """Which subjects are held out of training to choose the weights, and how often."""

    hold_out: int | Share | Literal["auto"] = "auto"
    """Subjects (int), share (float) or ``auto``: a fifth, at most eight, from ten subjects
    on, else none.
    With none held out the last weights are kept, and the run says so."""
    every: PositiveInt | Literal["auto"] = "auto"
    """Steps between validations; ``auto`` makes ten of them."""
    early_stopping_patience: int | None = Field(None, ge=1)
    """Validations without a better figure before training stops."""
    keep: Literal["best", "last"] = "best"
