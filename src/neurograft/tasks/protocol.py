"""What a training has to know of a task, whatever the task is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from neurograft.recipes.schema import TaskConfig
from neurograft.sampling.batches import Batch


@dataclass(frozen=True)
class Figure:
    """The number by which held-out subjects choose the weights.

    Attributes:
        name: for people.
        column: in ``metrics.csv``.
        better: whether a higher or a lower one is better.
        without_cases: what stands where no held-out case says anything.
    """

    name: str
    column: str
    better: Literal["higher", "lower"]
    without_cases: float

    def is_better(self, figure: float, than: float) -> bool:
        """Whether one figure beats another; none does so with its equal."""
        return figure > than if self.better == "higher" else figure < than

    @property
    def mode(self) -> Literal["max", "min"]:
        """The direction as Lightning calls it."""
        return "max" if self.better == "higher" else "min"


DICE = Figure("Dice", "validation/dice", "higher", 0.0)
VOXEL_ACCURACY = Figure("accuracy", "validation/accuracy", "higher", 0.0)
VOXEL_LOSS = Figure("loss", "validation/loss", "lower", float("inf"))
SEGMENTATION_FIGURES = {"dice": DICE, "accuracy": VOXEL_ACCURACY, "loss": VOXEL_LOSS}
"""By the name in ``validation.figure``."""


class Task(Protocol):
    """Ties a network's outputs to what they shall be."""

    @property
    def config(self) -> TaskConfig:
        """The recipe's section."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the head's rows, in order."""

    @property
    def figure(self) -> Figure:
        """What held-out subjects are scored by."""

    def network_input(self, batch: Batch) -> Tensor:
        """What the network sees of a batch, (N, C, D, H, W)."""

    def batch_loss(self, outputs: Mapping[str, Tensor], batch: Batch, progress: float = 1.0) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            outputs: of the network, for what `network_input` gave it.
            batch: the patches.
            progress: share of the budget that has passed, for weights that rise.
        """

    def activate(self, logits: Tensor) -> Tensor:
        """What the head says (N, K, ...) as what is averaged over windows."""
