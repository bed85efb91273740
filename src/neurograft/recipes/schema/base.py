"""What the sections of a recipe are made of."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveInt

Triple = tuple[float, float, float]
Size = tuple[PositiveInt, PositiveInt, PositiveInt]
Share = float
Direction = Literal["left-right", "anterior-posterior", "inferior-superior"]


def _rising(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError("the second number must not be smaller than the first")
    return values


Range = Annotated[tuple[float, float], AfterValidator(_rising)]


class Section(BaseModel):
    """A part of a recipe: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
