"""Copying weights from a source network, never silently: a report with a row for each tensor."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from torch import Tensor

from neurograft.errors import InputError
from neurograft.networks import UnitNetwork, unit_of
from neurograft.transfer.learning import frozen_tensor_names
from neurograft.transfer.priors import copy_beside_prior
from neurograft.transfer.row_starts import Start, merged_row, row_starts
from neurograft.transfer.rules import TransferPlan

Action = Literal["copied", "adapted", "transplanted", "reset", "skipped"]
BACKGROUND = "background"


@dataclass(frozen=True)
class TensorRow:
    """What happened to one tensor, and why. Shapes are empty on the side that lacks it."""

    tensor: str
    unit: str
    action: Action
    why: str
    source_shape: tuple[int, ...]
    target_shape: tuple[int, ...]


@dataclass(frozen=True)
class LoadingReport:
    """A row for each tensor of target and source, in the target's order.

    Attributes:
        rows: one a tensor.
        fresh_outputs: names of head rows that start from random weights.
        fresh_side_units: names of the side units in which something starts from random weights.
    """

    rows: tuple[TensorRow, ...]
    fresh_outputs: tuple[str, ...]
    fresh_side_units: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Tensors by action."""
        actions: tuple[Action, ...] = ("copied", "adapted", "transplanted", "reset", "skipped")
        return {action: sum(row.action == action for row in self.rows) for action in actions}

    def to_records(self) -> list[dict[str, object]]:
        """The rows as plain data."""
        return [asdict(row) for row in self.rows]


@dataclass(frozen=True)
class NetworkSide:
    """What names the ends of a network: its input channels and its output rows, in order.

    Attributes:
        channels: of the image.
        outputs: rows of the head.
        prior: frames of the prior, whose channels come after the image's.
    """

    channels: Sequence[str]
    outputs: Sequence[str]
    prior: Sequence[str] = ()


def output_names(labels: Sequence[str], output: Literal["softmax", "sigmoid"]) -> tuple[str, ...]:
    """Names of a head's rows: the labels, after background for a softmax.

    Raises:
        InputError: a label has the name of the softmax's own row.
    """
    if output == "softmax" and BACKGROUND in labels:
        raise InputError(f"a label is named {BACKGROUND!r}, as what bears no label is", "Rename it, or leave it out")
    return (BACKGROUND, *labels) if output == "softmax" else tuple(labels)


def load_source(
    target: UnitNetwork,
    source_state: Mapping[str, Tensor],
    plan: TransferPlan,
    target_side: NetworkSide,
    source_side: NetworkSide,
    label_from: Mapping[str, str] | None = None,
) -> LoadingReport:
    """Copy a source's weights into `target`, in place, by the plan's rules.

    A tensor of the same name and shape is copied. The first convolution is adapted to the input
    channels: by name where both sides name the same ones, by position where they are as many,
    else the mean over the source's, repeated, and scaled so that the same signal in every channel
    gives the same response. What reads a prior moves by the names of the prior's frames, and starts at
    0 for those that are new. Rows of a head move by label name; rows without a counterpart keep
    their random start. From a softmax to a sigmoid a label's row moves less the background's, so
    that a threshold of one half decides as the softmax did.

    Args:
        target: the new network; keeps its own weights wherever nothing is copied.
        source_state: the source's state dict.
        plan: which units are reset; with ``plan.copies`` false nothing is copied.
        target_side: channels and output names of the target.
        source_side: channels and output names of the source.
        label_from: target output name -> what its row starts from, as `row_starts` reads it.

    Raises:
        InputError: no weight could be copied; or `label_from` names an unknown label, or one
            whose output cannot move.
    """
    start = row_starts(target_side.outputs, source_side.outputs, label_from or {})
    rows: list[TensorRow] = []
    action: Action
    fresh: set[str] = set()
    fresh_side: list[str] = []
    side_units = {unit.name for unit in target.units if unit.role == "side"}
    state = target.state_dict()
    for name, tensor in state.items():
        unit = unit_of(name)
        is_head = unit in target.label_heads
        source = source_state.get(name)
        if not plan.copies:
            action, why = "reset", "strategy copies nothing"
        elif plan.rules[unit].reset:
            action, why = "reset", f"strategy resets {unit}"
        elif source is None:
            action, why = "reset", "not in the source"
        elif is_head:
            action, why = _copy_head(tensor, source, target_side, source_side, start)
        elif (target_side.prior or source_side.prior) and name in (target.prior_weights or target.stem_weights):
            action, why = _copy_with_prior(name, target, tensor, source, target_side, source_side)
        elif name in target.stem_weights:
            action, why = _copy_stem(tensor, source, target_side, source_side)
        else:
            action, why = _copy_same(tensor, source)
        if unit in target.head_names:
            fresh |= set(_fresh_rows(action, target_side, start))
        elif unit in side_units and (action == "reset" or (is_head and _fresh_rows(action, target_side, start))):
            fresh_side.append(unit)
        rows.append(TensorRow(name, unit, action, why, _shape(source), _shape(tensor)))
    for name, tensor in source_state.items():
        if name not in state:
            rows.append(TensorRow(name, unit_of(name), "skipped", "not in the target network", _shape(tensor), ()))
    target.load_state_dict(state)
    outputs = tuple(name for name in target_side.outputs if name in fresh)
    report = LoadingReport(tuple(rows), outputs, tuple(dict.fromkeys(fresh_side)))
    # Scalars such as a norm's step counter, and vectors, fit networks that have nothing in common.
    weights = [row for row in rows if len(row.target_shape) > 1]
    if plan.copies and not any(row.action in ("copied", "adapted", "transplanted") for row in weights):
        raise InputError(
            "no tensor of the source fits the target network, so nothing would be transferred",
            "Use the source's own network section, or strategy scratch",
        )
    stuck = [name for name, text in (label_from or {}).items() if text and name in fresh]
    if stuck:
        why = next(row.why for row in rows if row.unit in target.head_names and row.action == "reset")
        raise InputError(
            f"the output of {', '.join(stuck)} cannot start from a source label: {why}",
            "Leave out --label-from, or choose a strategy that copies the head",
        )
    return report


def _copy_same(tensor: Tensor, source: Tensor) -> tuple[Action, str]:
    if source.shape != tensor.shape:
        return "reset", "shapes differ"
    tensor.copy_(source)
    return "copied", ""


def _copy_stem(tensor: Tensor, source: Tensor, target: NetworkSide, origin: NetworkSide) -> tuple[Action, str]:
    if source.shape[:1] + source.shape[2:] != tensor.shape[:1] + tensor.shape[2:]:
        return "reset", "shapes differ beyond the number of channels"
    # A network of slices has its neighbours as so many channels for each channel of the image.
    slices = tensor.shape[1] // len(target.channels)
    if source.shape[1] != slices * len(origin.channels):
        return "reset", f"made for other neighbouring slices than the target's {slices} in all"
    if list(target.channels) == list(origin.channels):
        return _copy_same(tensor, source)
    tensor = tensor.unflatten(1, (len(target.channels), slices))
    source = source.unflatten(1, (len(origin.channels), slices))
    if set(target.channels) == set(origin.channels):
        order = [list(origin.channels).index(channel) for channel in target.channels]
        tensor.copy_(source[:, order])
        return "adapted", f"channels reordered by name to {', '.join(target.channels)}"
    if len(target.channels) == len(origin.channels):
        tensor.copy_(source)
        return "copied", f"channels by position: {', '.join(origin.channels)} -> {', '.join(target.channels)}"
    scale = len(origin.channels) / len(target.channels)
    tensor.copy_(source.mean(dim=1, keepdim=True).expand_as(tensor) * scale)
    how = "averaged" if len(target.channels) == 1 else "averaged and repeated"
    return "adapted", f"{len(origin.channels)} channels {how} to {len(target.channels)}"


def _copy_with_prior(
    name: str, network: UnitNetwork, tensor: Tensor, source: Tensor, target: NetworkSide, origin: NetworkSide
) -> tuple[Action, str]:
    if name in network.prior_weights:
        return copy_beside_prior(tensor, source, target.prior, origin.prior, (1, 1), _copy_same)
    sides = ((tensor, target), (source, origin))
    each = [weight.shape[1] // (len(side.channels) + len(side.prior)) for weight, side in sides]
    return copy_beside_prior(
        tensor,
        source,
        target.prior,
        origin.prior,
        (each[0], each[1]),
        lambda to, start: _copy_stem(to, start, target, origin),
    )


def _copy_head(
    tensor: Tensor,
    source: Tensor,
    target: NetworkSide,
    origin: NetworkSide,
    start: Mapping[str, Start],
) -> tuple[Action, str]:
    fits = tensor.shape[1:] == source.shape[1:] and tensor.shape[0] == len(target.outputs)
    if not fits or source.shape[0] != len(origin.outputs):
        return "reset", "shapes differ beyond the number of labels"
    if not any(start.values()):
        return "reset", f"no label in common (source: {', '.join(origin.outputs)})"
    # One sigmoid row stands for the odds of a label against the background.
    against = BACKGROUND in origin.outputs and BACKGROUND not in target.outputs
    for row, name in enumerate(target.outputs):
        found = start[name]
        if found:
            tensor[row].copy_(merged_row(source, origin.outputs, found, BACKGROUND))
            if against and found != (BACKGROUND,):
                tensor[row].sub_(source[list(origin.outputs).index(BACKGROUND)])
    if list(start.items()) == [(name, (name,)) for name in origin.outputs]:
        return "copied", ""
    moves = [name if found == (name,) else f"{' + '.join(found)} -> {name}" for name, found in start.items() if found]
    random = [name for name, found in start.items() if not found]
    why = f"rows {', '.join(moves)}" + (f", each less {BACKGROUND}" if against else "")
    return "transplanted", why + (f"; random start: {', '.join(random)}" if random else "")


def _fresh_rows(action: Action, target: NetworkSide, start: Mapping[str, Start]) -> list[str]:
    if action == "reset":
        return list(target.outputs)
    return [name for name in target.outputs if not start[name]]


def _shape(tensor: Tensor | None) -> tuple[int, ...]:
    return () if tensor is None else tuple(tensor.shape)


def require_trainable_outputs(plan: TransferPlan, report: LoadingReport, network: UnitNetwork) -> TransferPlan:
    """See to it that what starts from random weights will be learnt.

    Returns:
        The plan, with the heads and side units freed, and a note, where the strategy would have
        frozen what is random in them.

    Raises:
        InputError: the plan trains nothing, so that a random row or age head would be used as it
            is (a random auxiliary head is of no use then, and does no harm); or it freezes a random
            tensor inside the network.
    """
    frozen = set(frozen_tensor_names(network, plan))
    side = {unit.name for unit in network.units if unit.role == "side"}
    mendable = {*network.head_names, *(side if plan.trains else network.auxiliary_heads)}
    for line in report.rows:
        if line.action == "reset" and line.tensor in frozen and line.unit not in mendable:
            raise InputError(
                f"{line.tensor} starts from random weights ({line.why}), and strategy {plan.strategy} freezes it",
                f"Use the source's own network section, or a strategy that trains {line.unit}",
            )
    if plan.trains:
        for unit in report.fresh_side_units:
            if _is_held(plan, unit):
                plan = plan.freeing(unit, f"{unit} learns although the strategy freezes it: it starts from random")
    if not report.fresh_outputs:
        return plan
    names = ", ".join(report.fresh_outputs)
    if not plan.trains:
        raise InputError(
            f"the source has no output for {names}, and strategy {plan.strategy} learns nothing",
            "Name the source label to use with --label-from TARGET=SOURCE, or choose a strategy that learns",
        )
    for head in network.head_names:
        if _is_held(plan, head):
            plan = plan.freeing(head, f"{head} learns although the strategy freezes it: {names} start from random")
    return plan


def _is_held(plan: TransferPlan, unit: str) -> bool:
    rule = plan.rules[unit]
    return rule.learning_rate_scale == 0 or rule.release > 0


def source_anchor(network: UnitNetwork, report: LoadingReport) -> dict[str, Tensor]:
    """Copies of the parameters that came from the source whole, for a pull towards them."""
    kept = {row.tensor for row in report.rows if row.action in ("copied", "adapted")}
    return {name: p.detach().clone() for name, p in network.named_parameters() if name in kept}
