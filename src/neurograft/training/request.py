"""What is asked of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from neurograft.cohorts import Cohort
from neurograft.models import Bundle
from neurograft.recipes.schema import Recipe


@dataclass(frozen=True)
class TrainingRequest:
    """Everything that decides a run.

    Attributes:
        cohort: who to learn from; all its labelled subjects are used, and where the task needs no labels
            the others too.
        recipe: how.
        out: directory for the run; the bundle is in its folder ``model``.
        strategy: how the source is used; ``scratch`` without one.
        source: the model to start from.
        label_from: target label -> source label whose output it starts from.
        seed: of weights, patches and the validation split.
        allow_shared_subjects: train on people that the source has seen too.
        overwrite: replace an earlier run.
        encoder_weights: a file that a ResNet-50 encoder starts from, in torchvision's form.
        validation_subjects: who chooses the weights, instead of those whom the recipe would draw.
        average: weight of what was learnt in its mean with the source's weights; ``None`` takes no mean. Of two
            trainings in a row, the second's, whose source is the first.
        name: of the model; that of ``out`` by default.
    """

    cohort: Cohort
    recipe: Recipe
    out: Path
    strategy: str = "scratch"
    source: Bundle | None = None
    label_from: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    allow_shared_subjects: bool = False
    overwrite: bool = False
    validation_subjects: tuple[str, ...] | None = None
    encoder_weights: Path | None = None
    average: float | None = None
    name: str | None = None
