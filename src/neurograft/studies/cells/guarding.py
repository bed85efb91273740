"""The cell that refuses people on both sides, once for all trainings that a test set is to judge."""

from typing import Any

from neurograft.cohorts import CohortFingerprint, fingerprint_cohort, require_disjoint
from neurograft.studies.cells.kinds import CellContext
from neurograft.studies.cells.training import finished_model, people_of


def guard_cell(context: CellContext) -> dict[str, Any]:
    """Compare the images of a test set with those of everybody who is learnt from.

    The people of finished models are known by the fingerprints that these carry.

    Raises:
        InputError: the same or nearly the same image is on both sides.
    """
    spec = context.cell.spec
    test = fingerprint_cohort(people_of(context.folder, spec["test"]))
    images = 0
    for learners in spec["learners"]:
        theirs: CohortFingerprint = fingerprint_cohort(people_of(context.folder, learners))
        require_disjoint(theirs, test, f"the learners of cohort {learners['cohort']!r}", "the test subjects")
        images += sum(map(len, theirs.subjects.values()))
    for source in spec["models"]:
        for entry in finished_model(context.folder, source).info.training_subjects:
            theirs = CohortFingerprint.from_dict(entry)
            require_disjoint(theirs, test, f"the people whom the model {source['name']!r} knows", "the test subjects")
            images += sum(map(len, theirs.subjects.values()))
    return {"tested": sum(map(len, test.subjects.values())), "learnt_from": images}
