"""The network that a training starts with: built, filled from its source, and with a plan of what learns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from neurograft.errors import InputError
from neurograft.models import Bundle
from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes.schema import Recipe
from neurograft.tasks import AgeScale, SegmentationTask, Task, build_task, with_context
from neurograft.transfer import (
    LoadingReport,
    NetworkSide,
    TransferPlan,
    load_source,
    plan_transfer,
    require_trainable_outputs,
)


@dataclass(frozen=True)
class Transfer:
    """A network made ready: built, loaded and planned."""

    network: UnitNetwork
    task: Task
    plan: TransferPlan
    report: LoadingReport

    @property
    def learns_age(self) -> bool:
        """Whether the loss has an age term."""
        return isinstance(self.task, SegmentationTask) and self.task.learns_age

    def with_age_scale(self, scale: AgeScale) -> "Transfer":
        """The same, with the scale of the ages that are learnt."""
        if not isinstance(self.task, SegmentationTask):
            return self
        return replace(self, task=self.task.with_age_scale(scale))


def prepare_transfer(
    channels: tuple[str, ...],
    labels: tuple[str, ...],
    recipe: Recipe,
    strategy: str,
    source: Bundle | None,
    label_from: Mapping[str, str],
    seed: int,
) -> Transfer:
    """Build the target network, copy from the source and settle the plan.

    Raises:
        InputError: an unknown strategy, one that needs a source and has none, nothing copied, or
            random outputs that would never be learnt.
    """
    task = build_task(recipe.task, labels, channels, recipe.validation.figure)
    prior = recipe.preparation.prior_labels or ()
    if recipe.preparation.prior != "none" and not prior:
        raise InputError("nothing tells the frames of the prior", "Name them in preparation.prior_labels")
    network = build_network(recipe.network, len(channels) + len(prior), len(task.outputs), seed, len(prior))
    task = with_context(task, network.context)
    plan = plan_transfer(strategy, network.units)
    if plan.copies and source is None:
        raise InputError(f"strategy {strategy!r} needs a source model", "Pass --source, or use strategy scratch")
    state = {} if source is None or not plan.copies else source.state
    origin = source.side if source is not None else NetworkSide((), ())
    moves = dict(label_from) if plan.copies else {}
    report = load_source(network, state, plan, NetworkSide(channels, task.outputs, prior), origin, moves)
    return Transfer(network, task, require_trainable_outputs(plan, report, network), report)
