"""What is written down of a run beside its weights."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import neurograft
from neurograft.hardware import peak_memory_mib
from neurograft.training.fit import FitResult
from neurograft.training.request import TrainingRequest
from neurograft.transfer import TransferPlan

NOTHING = "nothing to train"
"""What stands for the hardware of a model that was taken as it is."""


def plan_rows(plan: TransferPlan) -> list[dict[str, Any]]:
    """The plan as a table: a row a unit."""
    return [{"unit": name, **asdict(rule)} for name, rule in plan.rules.items()]


def library_versions() -> dict[str, str]:
    """Versions of what decides a result."""
    names = ("torch", "lightning", "numpy", "scipy", "nibabel", "SimpleITK", "connected-components-3d")
    return {"neurograft": neurograft.__version__, "python": platform.python_version(), **{n: version(n) for n in names}}


def parent_record(request: TrainingRequest, plan: TransferPlan) -> dict[str, str] | None:
    """Name and weights of the source that something was copied from."""
    if request.source is None or not plan.copies:
        return None
    return {"name": request.source.info.name, "weights_sha256": request.source.info.weights_sha256}


def training_record(
    request: TrainingRequest,
    result: FitResult | None,
    training: int,
    validation: int,
    cases: int,
    preparation_seconds: float,
) -> dict[str, Any]:
    """What the bundle and ``run.json`` say of how it went.

    Args:
        request: what was asked.
        result: of the fit; None where nothing was trained.
        training: subjects learnt from.
        validation: subjects that chose the weights.
        cases: cases that were read.
        preparation_seconds: spent in reading and preparing them.
    """
    return {
        "seed": request.seed,
        "steps": 0 if result is None else result.steps,
        "seconds": 0.0 if result is None else round(result.seconds, 2),
        "preparation_seconds": round(preparation_seconds, 2),
        "kept": "the source's" if result is None else result.kept,
        "training_subjects": training,
        "validation_subjects": validation,
        "cases": cases,
        "compute": NOTHING if result is None else result.plan.compute.describe(),
        "machine": f"{platform.system()} {platform.machine()}",
        "peak_memory_mib": round(peak_memory_mib()),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
