"""Protocol sections on people: cohorts, source models, test sets and subsets."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from neurograft.recipes.schema.base import Section


class CohortConfig(Section):
    """Where a cohort comes from: a path, or a phantom that the study makes."""

    path: Path | None = None
    """Relative to ``--data-root``; ``--cohort NAME=PATH`` overrides it."""
    phantom: Literal["midbrain", "ageing", "susceptibility"] | None = None
    people: PositiveInt | None = None
    """Of a phantom."""
    seed: NonNegativeInt = 0
    """Of a phantom."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of a phantom, such as ``field_of_view: wide``."""
    where: dict[str, str] = Field(default_factory=dict)
    """Keep only cases with these values in the cohort's columns; a value such as ``">=60"`` is a bound."""
    without: dict[str, str] = Field(default_factory=dict)
    """Leave out cases with these values."""

    @model_validator(mode="after")
    def _one_origin(self) -> "CohortConfig":
        if (self.path is None) == (self.phantom is None):
            raise ValueError("a cohort needs either a path or a phantom")
        if (self.phantom is None) != (self.people is None):
            raise ValueError("people belongs to a phantom, which needs it")
        return self


class TrainingConfig(Section):
    """How something is trained: a recipe and what differs from it."""

    recipe: str | None = None
    """A shipped recipe's name or a file; that of the protocol by default."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Recipe keys (``section.key``) and their values, besides those of the protocol."""


class SourceConfig(TrainingConfig):
    """A model to start from."""

    cohort: str | None = None
    """Whom it learns from."""
    model: Path | None = None
    """A finished model instead, relative to ``--data-root``."""
    people: PositiveInt | Literal["rest", "apart"] = "apart"
    """Of a cohort that the experiment draws from too: ``rest`` is everybody outside the test set,
    ``apart`` those of them who are not in the pool either, and a number is so many of ``rest``.
    Of another cohort, ``rest`` and ``apart`` are all its people."""
    seed: NonNegativeInt | None = None
    """One model for all; else one for each seed of the study."""

    @model_validator(mode="after")
    def _one_origin(self) -> "SourceConfig":
        if (self.cohort is None) == (self.model is None):
            raise ValueError("a source needs either a cohort to learn from or a model")
        return self


class TestConfig(Section):
    """Who is tested."""

    kind: Literal["fixed", "own", "folds", "leave-one-out", "cohort"] = "fixed"
    """``fixed``: one set for all sizes; ``own``: each subset holds out its own, so that sizes are not
    comparable (P1's large sizes); ``folds``, ``leave-one-out``: everybody once; ``cohort``: another cohort."""
    count: PositiveInt | None = None
    share: float | None = Field(None, gt=0, lt=1)
    folds: int = Field(5, ge=2)
    """Of ``folds``."""
    cohort: str | None = None
    """Of ``cohort``."""
    seed: NonNegativeInt = 0
    """Decides who."""

    @model_validator(mode="after")
    def _complete(self) -> "TestConfig":
        if self.kind in ("fixed", "own") and (self.count is None) == (self.share is None):
            raise ValueError(f"{self.kind} needs either a count or a share")
        if (self.kind == "cohort") != (self.cohort is not None):
            raise ValueError("a cohort to test on belongs to kind: cohort, which needs it")
        return self


class DrawConfig(Section):
    """How subsets of the labelled people are drawn."""

    kind: Literal["nested", "repeated"] = "nested"
    """``nested``: each smaller subset inside each larger one (P1, P5); ``repeated``: every subset by itself (P4)."""
    repeats: PositiveInt | Literal["seeds"] = 1
    """Draws of each size; with ``seeds`` each seed of the study has its own draw."""
    seed: NonNegativeInt = 0
