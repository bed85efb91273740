"""The network that a training starts with: built, filled from its source, and with a plan of what learns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from neurograft.errors import InputError
from neurograft.models import Bundle
from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes.schema import Recipe
from neurograft.tasks import AgeScale, SegmentationTask, Task, build_task, with_context
from neurograft.transfer import (
    BACKGROUND,
    Folding,
    LoadingReport,
    NetworkSide,
    TransferPlan,
    load_source,
    plan_transfer,
    require_trainable_outputs,
    row_starts,
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

    @property
    def folding(self) -> Folding | None:
        """How the labels come from a head that knows others."""
        return self.task.folding if isinstance(self.task, SegmentationTask) else None

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
    inputs = len(channels) + len(prior)
    network = build_network(recipe.network, inputs, len(task.outputs), seed, len(prior))
    task = with_context(task, network.context)
    plan = plan_transfer(strategy, network.units)
    if plan.copies and source is None:
        raise InputError(f"strategy {strategy!r} needs a source model", "Pass --source, or use strategy scratch")
    if plan.copies and source is not None and source.folding is not None:
        raise InputError(
            "this is another model under other labels' names, which has learnt nothing of its own",
            f"Adapt the model that it was made of, {(source.info.parent or {}).get('name', 'its source')}",
            source.path,
        )
    state = {} if source is None or not plan.copies else source.state
    origin = source.side if source is not None else NetworkSide((), ())
    moves = dict(label_from) if plan.copies else {}
    outputs = task.outputs
    if not plan.trains and isinstance(task, SegmentationTask):
        task = folded(task, origin.outputs, moves)
        if task.folding is not None:
            # The head keeps its rows, under their own names.
            outputs, moves = task.folding.rows, {}
            network = build_network(recipe.network, inputs, len(outputs), seed, len(prior))
    report = load_source(network, state, plan, NetworkSide(channels, outputs, prior), origin, moves)
    return Transfer(network, task, require_trainable_outputs(plan, report, network), report)


def folded(task: SegmentationTask, rows: Sequence[str], label_from: Mapping[str, str]) -> SegmentationTask:
    """The task of a softmax that is taken as it is, with a source's rows added up to the labels that are asked for.

    Args:
        task: with the labels.
        rows: of the source's head.
        label_from: as `row_starts` takes it.

    Returns:
        The same task where it is no softmax, each label has a row of its own and no row is left, or a label has none.

    Raises:
        InputError: a name that the target or the source does not have, or two labels of one row.
    """
    starts = row_starts(task.outputs, rows, label_from)
    parts = {label: starts[label] for label in task.labels}
    softmax = task.config.output == "softmax" and task.config.decision == "most_probable" and BACKGROUND in rows
    own_rows = sorted(parts.values()) == sorted((row,) for row in rows if row != BACKGROUND)
    if not softmax or own_rows or not all(parts.values()):
        return task
    shared = [row for row, count in Counter(row for part in parts.values() for row in part).items() if count > 1]
    if shared:
        raise InputError(
            f"{' and '.join(label for label, part in parts.items() if shared[0] in part)} are both {shared[0]} of the "
            "source, which tells no difference as it is",
            "Join them to one label, or learn from some cases",
        )
    return SegmentationTask(task.config, task.labels, task.age_scale, task.figure, Folding(tuple(rows), parts))
