"""Recipe section ``label_quality``: learning from labels of which some are better than others."""

from pydantic import Field, PositiveFloat, field_validator, model_validator

from neurograft.recipes.budget import parse_budget
from neurograft.recipes.schema.base import Section, Share


class LabelQualityConfig(Section):
    """Which label maps are good enough, and whether the best are learnt from once more.

    The quality of a case is its column ``label_quality`` in the cohort, 0 to 1, and 1 where it is empty:
    masks that another program made may have 0.5, and 1 once somebody has corrected them.
    ``sampling.by_quality`` shows better labels more often.
    """

    minimum: Share = Field(0.0, ge=0, le=1)
    """Cases below count as unlabelled."""
    refine_from: Share | None = Field(None, ge=0, le=1)
    """A second training, of cases of at least this quality alone, follows the first from its weights;
    ``None`` is one training of all."""
    refine_strategy: str = "full"
    """Of the second training, as for ``neurograft adapt``."""
    refine_budget: str | None = None
    """Of the second training; ``None`` is the recipe's."""
    refine_learning_rate: PositiveFloat | None = None
    """Of the second training; ``None`` is the recipe's."""

    @field_validator("refine_budget")
    @classmethod
    def _budget_understood(cls, text: str | None) -> str | None:
        if text is not None:
            parse_budget(text)
        return text

    @model_validator(mode="after")
    def _better_than_the_minimum(self) -> "LabelQualityConfig":
        if self.refine_from is not None and self.refine_from <= self.minimum:
            raise ValueError(
                f"label_quality.refine_from is {self.refine_from:g}, which is not above label_quality.minimum, so the "
                "second training would see the cases of the first; raise it"
            )
        return self
