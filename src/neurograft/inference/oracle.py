"""The reference labels that an oracle region is centred on: which files, which labels."""

import logging

from neurograft.cohorts import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map
from neurograft.imaging.labels import LabelTable
from neurograft.inference.regions import Truth
from neurograft.recipes.schema import Recipe

logger = logging.getLogger(__name__)


def require_references(scans: Cohort) -> None:
    """Refuse an oracle on scans that lack a reference label, and tell that there is one.

    Raises:
        InputError: a case without a label map.
    """
    for case in scans.cases:
        if not case.is_labelled:
            raise InputError(
                f"inference.region is oracle, and case {case.id} has no reference label to be centred on",
                "Give a cohort with label maps, or set inference.region to whole or predicted",
                scans.source,
            )
    logger.warning("oracle crop: images are cut around their true structures, and every result says so")


def centred_labels(labels: LabelTable, recipe: Recipe, names: list[str]) -> LabelTable:
    """The labels of a cohort whose common centre an oracle takes.

    These are the model's, where the cohort has any of them by name, or the parts that it merges;
    else all of the cohort's: a model that is tried on another structure is centred on that one,
    as P1 does with the source model.

    Args:
        labels: the cohort's.
        recipe: the model's.
        names: the model's labels.
    """
    known = set(names)
    if isinstance(recipe.labels, dict):
        known.update(part for parts in recipe.labels.values() for part in parts)
    common = [name for name in labels.names if name in known]
    return labels.select(common) if common else labels


def read_truth(case: Case, labels: LabelTable) -> Truth:
    """Read the reference label map of a case.

    Args:
        case: with a label map.
        labels: as `centred_labels` gives them.
    """
    if case.label is None:
        raise ValueError(f"case {case.id} has no label map")
    return Truth(read_label_map(case.label), labels)
