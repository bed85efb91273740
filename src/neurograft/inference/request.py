"""What a prediction is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurograft.cohorts import Cohort
from neurograft.inference.engines import PLAIN_TORCH, EngineRequest
from neurograft.models import Bundle
from neurograft.recipes.schema import InferenceConfig


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict.

    Attributes:
        bundles: one model, or several that are averaged.
        scans: the cases; labels are not looked at, unless ``inference.region`` is oracle.
        out: the folder for masks and ``volumes.tsv``.
        keep_probabilities: write a probability map per label too.
        overwrite: replace an earlier result.
        device: where the networks run.
        locator: a model that finds the region for ``inference.region: predicted``; ``None`` lets
            the models find it themselves.
        engines: what runs the networks.
        memory_mib: most memory for merged probabilities; ``None`` sets no bound.
        overlays: draw a picture of each scan with its mask on it.
    """

    bundles: Sequence[Bundle]
    scans: Cohort
    out: Path
    keep_probabilities: bool = False
    overwrite: bool = False
    device: str = "cpu"
    locator: Bundle | None = None
    engines: EngineRequest = PLAIN_TORCH
    memory_mib: float | None = None
    overlays: bool = False

    @property
    def inference(self) -> InferenceConfig:
        """How the first model, which decides for all, looks at images."""
        return self.bundles[0].info.recipe.inference

    @property
    def learners(self) -> list[Bundle]:
        """All that have a say in the result, the locator included."""
        return [*self.bundles, *([] if self.locator is None else [self.locator])]
