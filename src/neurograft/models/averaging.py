"""A model between two: the weights of a source and of a model adapted from it, averaged."""

from dataclasses import replace
from pathlib import Path

from neurograft.errors import InputError
from neurograft.models.bundle import Bundle, BundleInfo, save_bundle
from neurograft.networks import build_network
from neurograft.outputs import staged_directory
from neurograft.transfer import average_with_source, load_source, plan_transfer


def average_models(source: Bundle, adapted: Bundle, weight: float, out: Path, overwrite: bool = False) -> BundleInfo:
    """Write the mean of two models' weights as a model of its own.

    The result has the adapted model's labels and recipe. What does not fit, and rows of the head for labels
    that the source does not have, are the adapted model's. Where this source is the one that it was adapted
    from, so are the units that the adaptation began anew, and where it started a label from another label of the
    source, that label's row is averaged with. An age head is averaged where both speak in the same scale.

    Args:
        source: the model that the other was adapted from, or any of the same architecture.
        adapted: the other.
        weight: of the adapted one, in 0..1.
        out: folder of the new model.
        overwrite: replace an earlier one.

    Raises:
        InputError: a weight that is no share, models that have nothing in common, or an output that exists.
    """
    if not 0 <= weight <= 1:
        raise InputError(f"--weight {weight} is no share", "Give a number from 0 to 1, such as 0.5")
    side = adapted.side
    inputs = len(side.channels) + len(side.prior)
    start = build_network(adapted.info.recipe.network, inputs, len(side.outputs), 0, len(side.prior))
    is_parent = (adapted.info.parent or {}).get("weights_sha256") == source.info.weights_sha256
    moves = adapted.info.label_from if is_parent else {}
    own = {row["unit"] for row in adapted.info.plan if row.get("reset")} if is_parent else set()
    if _age_scale(source) != _age_scale(adapted):
        own.add("age")
    plan = plan_transfer("full", start.units)
    plan = replace(plan, rules={unit: replace(rule, reset=unit in own) for unit, rule in plan.rules.items()})
    report = load_source(start, source.state, plan, side, source.side, moves)
    network = adapted.network()
    average_with_source(network, start.state_dict(), report, tuple(side.outputs), weight)
    told = f"{weight:g} of {adapted.info.name}, {1 - weight:g} of {source.info.name}"
    info = adapted.info.model_copy(
        update={
            "name": out.resolve().name,
            "parent": {"name": source.info.name, "weights_sha256": source.info.weights_sha256},
            "training": {**adapted.info.training, "averaged": told},
            # Whoever either has learnt from, the mean has learnt from.
            "training_subjects": [
                *adapted.info.training_subjects,
                *(entry for entry in source.info.training_subjects if entry not in adapted.info.training_subjects),
            ],
            "figures": [],
            "storage": "float32",
        }
    )
    request = {
        "source": source.info.weights_sha256,
        "adapted": adapted.info.weights_sha256,
        "weight": weight,
    }
    with staged_directory(out, request, overwrite) as folder:
        return save_bundle(folder, info, network)


def _age_scale(bundle: Bundle) -> tuple[float, float] | None:
    """Mean and standard deviation of the ages that a model's head speaks in."""
    return None if bundle.info.age is None else (bundle.info.age.mean, bundle.info.age.sd)
