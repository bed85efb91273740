"""Whose data a run is made of, and what makes it this run: the leakage guard, and the identity for resuming."""

import hashlib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import neurograft
from neurograft.cohorts import Case, Cohort, CohortFingerprint, require_disjoint
from neurograft.cohorts.label_quality import case_quality
from neurograft.cohorts.open_labels import LABEL_AXIS
from neurograft.errors import InputError
from neurograft.imaging.pictures import file_of
from neurograft.training.request import TrainingRequest
from neurograft.transfer import TransferPlan


def require_different_people(fingerprints: Sequence[CohortFingerprint], request: TrainingRequest) -> None:
    """Refuse somebody who is in two of several cohorts: held out in one, they would be learnt from in the other."""
    if request.allow_shared_subjects:
        return
    for first, second in combinations(fingerprints, 2):
        require_disjoint(first, second, f"cohort {first.name}", f"cohort {second.name}")


def source_subjects(
    request: TrainingRequest, plan: TransferPlan, fingerprints: Sequence[CohortFingerprint]
) -> list[dict[str, Any]]:
    """Fingerprints of all that the source has learnt from, checked against this cohort."""
    if request.source is None or not plan.copies:
        return []
    known = request.source.info.training_subjects
    if not request.allow_shared_subjects:
        for entry in known:
            try:
                theirs = CohortFingerprint.from_dict(entry)
                for fingerprint in fingerprints:
                    require_disjoint(fingerprint, theirs, "this cohort", "the source model's training subjects")
            except InputError as error:
                mend = f"{error.mend}; or pass --allow-shared-subjects, and test on other people"
                raise InputError(error.problem, mend, request.cohort.source) from error
    return known


def run_identity(request: TrainingRequest, cohort: Cohort, fingerprints: Sequence[CohortFingerprint]) -> dict[str, Any]:
    """Everything that decides a run: another attempt goes on with it only if nothing of this has changed."""
    subjects = [fingerprint.to_dict() for fingerprint in fingerprints]
    weights, held = request.encoder_weights, request.validation_subjects
    return {
        "recipe": request.recipe.model_dump(mode="json"),
        "labels": cohort.labels.to_dict(),
        "subjects": subjects[0] if len(subjects) == 1 else subjects,
        "cases": [case.id for case in cohort.cases],
        "annotated": {case.id: _annotated(case) for case in cohort.cases},
        "files": {case.id: _file_hashes(case) for case in cohort.cases},
        "intensity_classes": cohort.intensity_classes.to_dict() if cohort.intensity_classes else None,
        "strategy": request.strategy,
        "source": request.source.info.weights_sha256 if request.source else None,
        "label_from": dict(request.label_from),
        "encoder_weights": None if weights is None else _sha256(weights),
        "average": request.average,
        "validation": None if held is None else sorted(held),
        "seed": request.seed,
        "neurograft": neurograft.__version__,
    }


def _annotated(case: Case) -> list[Any]:
    """What the cohort says of where a case's labels were looked for, and how well."""
    state = case.label_state if isinstance(case.label_state, str) else dict(case.label_state)
    return [state, case.covariates.get(LABEL_AXIS, ""), case_quality(case)]


def _file_hashes(case: Case) -> list[str | None]:
    """Of all that is read of a case: the fingerprints know the voxels of its first channel only."""
    paths = (*case.images.values(), case.label, case.mask, case.prior)
    return [None if path is None else _sha256(path) for path in paths]


def _sha256(path: Path) -> str | None:
    """None for a file that cannot be read, which the training says better when it comes to it."""
    try:
        with file_of(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
