"""Strategies: from a name such as ``freeze(up2)`` to a rule for each unit of a network."""

import difflib
import inspect
import math
import re
from collections.abc import Callable, Sequence

from neurograft.errors import InputError
from neurograft.networks import Unit
from neurograft.transfer.rules import FREE, FROZEN, TransferPlan, UnitRule

Units = Sequence[Unit]
Rules = dict[str, UnitRule]

UNIT_ALIASES = {"out": "head"}
OUTPUTS = ("head", "side")
"""Roles of the units that end in something the loss sees."""


def scratch(units: Units) -> TransferPlan:
    """Nothing copied, everything trained: the twin that every adapted model is compared with."""
    return TransferPlan("scratch", {unit.name: FREE for unit in units}, copies=False)


def none(units: Units) -> TransferPlan:
    """The source as it is."""
    return TransferPlan("none", {unit.name: FROZEN for unit in units})


def full(units: Units) -> TransferPlan:
    """Everything copied, everything trained."""
    return TransferPlan("full", {unit.name: FREE for unit in units})


def freeze(units: Units, frontier: str) -> TransferPlan:
    """Train from the output back to `frontier`, freeze the rest (P1, family ``freeze``)."""
    reached = _reached(units, frontier)
    return TransferPlan("freeze", {u.name: FREE if u.name in reached else FROZEN for u in units})


def decay(units: Units, frontier: str, scale: float = 0.1) -> TransferPlan:
    """Train from the output back to `frontier`, the rest at `scale` of the rate (P1, ``decay``)."""
    if not 0 < scale <= 1:
        raise InputError(f"decay's scale must lie in (0, 1], got {scale}", "Give for example scale=0.1")
    reached = _reached(units, frontier)
    slow = UnitRule(learning_rate_scale=scale)
    return TransferPlan("decay", {u.name: FREE if u.name in reached else slow for u in units})


def decay_only(units: Units, unit: str, scale: float = 0.1) -> TransferPlan:
    """Only `unit` at a tenth of the rate, or all with ``whole``: P1's ``decay_down1``, ``decay_whole``.

    The figure of P1 that defined these names is lost; this is reading B of the two that its text
    allows. `decay` names its frontier explicitly.
    """
    slow = UnitRule(learning_rate_scale=scale)
    if unit == "whole":
        return TransferPlan("decay_whole", {u.name: slow for u in units})
    name = _unit_name(units, unit)
    return TransferPlan(f"decay_{name}", {u.name: slow if u.name == name else FREE for u in units})


def shallow(units: Units) -> TransferPlan:
    """Train the bottleneck, the units one level above it, and the side units (P3)."""
    return _inside_out("shallow", units, levels=1)


def medium(units: Units) -> TransferPlan:
    """As `shallow`, one level further out on both sides (P3)."""
    return _inside_out("medium", units, levels=2)


def deep(units: Units) -> TransferPlan:
    """Train all but the units at full resolution (P3)."""
    return _inside_out("deep", units, levels=_bottleneck_depth(units) - 1)


def reset_head(units: Units) -> TransferPlan:
    """Copy all but the outputs, train everything (P2)."""
    rules = {u.name: UnitRule(reset=True) if u.role in OUTPUTS else FREE for u in units}
    return TransferPlan("reset_head", rules)


def encoder_only(units: Units) -> TransferPlan:
    """Copy encoder and bottleneck, start the decoder at random, train everything (P4)."""
    kept = ("encoder", "bottleneck")
    return TransferPlan("encoder_only", {u.name: FREE if u.role in kept else UnitRule(reset=True) for u in units})


def frozen_conv(units: Units, variant: str = "paper") -> TransferPlan:
    """Freeze the encoder's convolutions, tune what follows, start the output layer anew (P5).

    In the tri-planar network the encoder is all of the convolutions, and the dense layers follow; elsewhere
    the decoder is tuned with the bottleneck. With ``code`` nothing starts anew and the norms and PReLUs of the
    encoder learn as well, as in P5's public code, which freezes layers by their name.
    """
    if variant not in ("paper", "code"):
        raise InputError(f"frozen_conv's variant must be paper or code, got {variant!r}", "Give frozen_conv(code)")
    code = variant == "code"
    encoder = UnitRule(learning_rate_scale=0.0, norm="train", activation="train") if code else FROZEN
    rules = {}
    for unit in units:
        rules[unit.name] = encoder if unit.role == "encoder" else FREE
        if unit.role in OUTPUTS and not code:
            rules[unit.name] = UnitRule(reset=True)
    return TransferPlan("frozen_conv", rules)


def first_layers(units: Units, count: int = 2) -> TransferPlan:
    """Free the first `count` units and all norms, freeze the rest: for a new scanner.

    Reference:
        Shirokikh, Zakazov, Chernyavskiy, Fedulova, Belyaev 2020, "First U-Net layers contain
        more domain specific information than the last ones".
    """
    if not 1 <= count <= len(units):
        raise InputError(f"first_layers takes 1 to {len(units)} units here, got {count}", "Give first_layers(2)")
    rest = UnitRule(learning_rate_scale=0.0, norm="train")
    return TransferPlan("first_layers", {u.name: FREE if i < count else rest for i, u in enumerate(units)})


def discriminative(units: Units, decay: float = 0.7) -> TransferPlan:
    """Learning rate falling by the factor `decay` with each unit from the output to the input.

    Reference:
        Howard and Ruder 2018, ULMFiT, section 3.2 (there the factor is 1/2.6 a layer).
    """
    if not 0 < decay <= 1:
        raise InputError(f"discriminative's decay must lie in (0, 1], got {decay}", "Give for example 0.7")
    steps = _steps_from_the_output(units)
    return TransferPlan("discriminative", {u.name: UnitRule(learning_rate_scale=decay ** steps[u.name]) for u in units})


def gradual(units: Units, until: float = 0.5) -> TransferPlan:
    """Free the units one by one from the output, the last after the share `until` of the budget.

    Reference:
        Howard and Ruder 2018, ULMFiT, section 3.3.
    """
    if not 0 < until < 1:
        raise InputError(f"gradual's argument must lie between 0 and 1, got {until}", "Give for example 0.5")
    steps = _steps_from_the_output(units)
    last = max(steps.values())
    return TransferPlan("gradual", {u.name: UnitRule(release=until * steps[u.name] / last) for u in units})


def lora(units: Units, rank: int = 4) -> TransferPlan:
    """Low-rank adapters on the convolutions of all units but the outputs, which train whole.

    Reference:
        Hu et al. 2022, LoRA, section 4.1; a convolution's kernel is read as a matrix of
        its output channels against the rest.
    """
    if rank < 1:
        raise InputError(f"lora's rank must be at least 1, got {rank}", "Give for example lora(4)")
    return TransferPlan("lora", {u.name: FREE if u.role in OUTPUTS else FROZEN for u in units}, lora_rank=rank)


def l2sp(units: Units, weight: float = 0.01) -> TransferPlan:
    """Everything trained, with a pull of strength `weight` towards the source weights.

    Reference:
        Li, Grandvalet, Davoine 2018, "Explicit inductive bias for transfer learning", eq. 2.
    """
    if not 0 < weight < math.inf:
        raise InputError(f"l2sp's weight must be positive, got {weight}", "Give for example l2sp(0.01)")
    return TransferPlan("l2sp", {u.name: FREE for u in units}, l2sp_weight=weight)


STRATEGIES: dict[str, Callable[..., TransferPlan]] = {
    "scratch": scratch,
    "none": none,
    "full": full,
    "freeze": freeze,
    "decay": decay,
    "shallow": shallow,
    "medium": medium,
    "deep": deep,
    "reset_head": reset_head,
    "encoder_only": encoder_only,
    "frozen_conv": frozen_conv,
    "first_layers": first_layers,
    "discriminative": discriminative,
    "gradual": gradual,
    "lora": lora,
    "l2sp": l2sp,
}


def plan_transfer(strategy: str, units: Units) -> TransferPlan:
    """Apply a strategy, given as text, to a network's units.

    Args:
        strategy: a name of `STRATEGIES` with arguments in brackets, such as ``full``,
            ``freeze(up2)``, ``decay(down1, scale=0.1)``; or ``decay_<unit>``, ``decay_whole``.
        units: the network's units, input to output.

    Raises:
        InputError: unknown strategy (the nearest is suggested), unknown unit, wrong arguments.

    Example:
        >>> from neurograft.networks.unet3d import UNet3d
        >>> plan = plan_transfer("freeze(up3)", UNet3d(1, 1).units)
        >>> [name for name, rule in plan.rules.items() if rule.learns]
        ['up3', 'head']
    """
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", strategy)
    name, text = (match.group(1), match.group(2)) if match else (strategy, None)
    if name.startswith("decay_") and text is None:
        plan = decay_only(units, name.removeprefix("decay_"))
    elif name not in STRATEGIES:
        near = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown strategy {strategy!r}", f"{hint}Strategies: {', '.join(STRATEGIES)}")
    else:
        plan = _call(name, text, units)
    return TransferPlan(strategy.strip(), plan.rules, plan.copies, plan.lora_rank, plan.l2sp_weight)


def _call(name: str, text: str | None, units: Units) -> TransferPlan:
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in (text or "").split(","):
        key, equals, value = part.partition("=")
        if equals:
            named[key.strip()] = value.strip()
        elif part.strip():
            positional.append(part.strip())
    signature = inspect.signature(STRATEGIES[name])
    valid = list(signature.parameters)[1:]
    near = [hit for key in named if key not in valid for hit in difflib.get_close_matches(key, valid, n=1)]
    try:
        arguments = signature.bind(units, *positional, **named).arguments
    except TypeError as error:
        hint = f"Did you mean {near[0]!r}? " if near else ""
        mend = f"{hint}Arguments of {name}: {', '.join(valid) or 'none'}"
        if "frontier" in valid:
            mend += f"; frontiers here: {', '.join(unit.name for unit in units)}"
        raise InputError(f"strategy {name}({text or ''}): {error}", mend) from error
    for key in valid:
        kind = signature.parameters[key].annotation
        if key in arguments and kind is not str:
            arguments[key] = _number(kind, arguments[key], f"{name}'s {key}")
    return STRATEGIES[name](**arguments)


def _number(kind: type[int] | type[float], text: str, what: str) -> int | float:
    try:
        return kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"{what} must be {wanted}, got {text!r}", "Correct the strategy") from error


def _unit_name(units: Units, name: str) -> str:
    wanted = UNIT_ALIASES.get(name, name)
    names = [unit.name for unit in units]
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"the network has no unit {name!r}", f"{hint}Units, input to output: {', '.join(names)}")
    return wanted


def _reached(units: Units, frontier: str) -> set[str]:
    """Units from the output back to and including the frontier; side units count as reached."""
    name = _unit_name(units, frontier)
    index = next(i for i, unit in enumerate(units) if unit.name == name)
    return {unit.name for unit in units[index:]} | {unit.name for unit in units if unit.role == "side"}


def _steps_from_the_output(units: Units) -> dict[str, int]:
    """Units between each unit and the head; side units are outputs themselves."""
    order = [unit.name for unit in reversed(units) if unit.role != "side"]
    return {unit.name: 0 if unit.role == "side" else order.index(unit.name) for unit in units}


def _bottleneck_depth(units: Units) -> int:
    return next(unit.depth for unit in units if unit.role == "bottleneck")


def _inside_out(name: str, units: Units, levels: int) -> TransferPlan:
    outermost = max(1, _bottleneck_depth(units) - levels)
    rules = {u.name: FREE if u.role == "side" or u.depth >= outermost else FROZEN for u in units}
    return TransferPlan(name, rules)
