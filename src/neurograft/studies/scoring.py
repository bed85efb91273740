"""Score files against files: pair, read, check the grids, and make the two tables."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from numpy.typing import NDArray

from neurograft.cohorts.cohort import Cohort
from neurograft.cohorts.label_names import gather_labels
from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError
from neurograft.evaluation.cases import LabelScore, score_case
from neurograft.evaluation.overlap import EmptyPolicy
from neurograft.evaluation.summary import summarise
from neurograft.imaging.files import is_image_file, read_label_map
from neurograft.imaging.labels import LabelTable
from neurograft.studies.pairing import Pair, Pairing, pair_cohort, pair_files

logger = logging.getLogger(__name__)

MissingPolicy = Literal["error", "score-zero"]
"""What a missing prediction is: a reason to stop, or a Dice of 0 for every label."""


@dataclass(frozen=True)
class Scores:
    """A row per case and label, a row per label, and how they came about."""

    cases: pd.DataFrame
    summary: pd.DataFrame
    pairing: Pairing
    labels: tuple[str, ...]


def score_files(
    reference: Path | Cohort,
    prediction: Path,
    labels: LabelTable | None = None,
    missing: MissingPolicy = "error",
    empty: EmptyPolicy = "skip",
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score a folder of predictions against a cohort or a folder of label maps.

    Args:
        reference: a cohort, a path that opens as one, a folder of label maps, or one label map.
        prediction: a folder of label maps, or one file. If the folder holds a ``labels.tsv``
            (or one BIDS ``*dseg.tsv``), its values are matched by name, and only names known on both
            sides are scored.
        labels: what to score; else the cohort's labels, or ``labels.tsv`` in the reference folder,
            or every value in the reference under the name ``label-<value>``.
        missing: ``error``, or ``score-zero``.
        empty: Dice of a label absent from reference and prediction.
        level: coverage of the interval of the mean Dice over subjects.
        draws: bootstrap resamples.
        seed: of the bootstrap.
        progress: called after every case with the cases done and the cases in all.

    Raises:
        InputError: unpaired, missing or unreadable files, different grids, or no label in common.
    """
    if isinstance(reference, Path) and _opens_as_cohort(reference):
        reference = open_cohort(reference)
    if isinstance(reference, Cohort):
        if labels is not None:
            reference = reference.with_labels(labels)
        pairing, labels = pair_cohort(reference, prediction), reference.labels
    else:
        pairing = pair_files(reference, prediction)
        labels = labels or _labels_beside(reference) or gather_labels([pair.reference for pair in pairing.pairs])
    logger.info("paired %d of %d cases %s", len(pairing.pairs) - len(pairing.missing), len(pairing.pairs), pairing.how)
    if pairing.unused:
        logger.warning("%d predictions have no reference, the first is %s", len(pairing.unused), pairing.unused[0])
    written = _labels_beside(prediction)
    if written is not None:
        labels = _known_to_both(labels, written, prediction)
        written = written.select(list(labels.names))
    cases = evaluate_pairs(pairing.pairs, labels, written, missing, empty, progress)
    return Scores(cases, summarise(cases, empty, level, draws, seed), pairing, tuple(labels.names))


def evaluate_pairs(
    pairs: Sequence[Pair],
    labels: LabelTable,
    prediction_labels: LabelTable | None = None,
    missing: MissingPolicy = "error",
    empty: EmptyPolicy = "skip",
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Score pairs of label maps, one case in memory at a time.

    Args:
        pairs: reference and prediction files.
        labels: values in the reference, and what to score.
        prediction_labels: values in the predictions, with the same names in the same order; ``None``
            when they are those of the reference.
        missing: ``error``, or ``score-zero``.
        empty: Dice of a label absent from both.
        progress: called after every case with the cases done and the cases in all.

    Returns:
        Columns ``case``, ``subject``, ``label``, ``dice``, ``reference_mm3``, ``prediction_mm3``,
        ``volume_difference_mm3`` and ``status`` (``ok``, ``reference-empty``, ``prediction-empty``,
        ``both-empty`` or ``prediction-missing``).

    Raises:
        InputError: a missing prediction under ``error``, unreadable files, different grids, a
            prediction whose values are not those of the table, or no label in any reference.
    """
    lost = [pair for pair in pairs if pair.prediction is None]
    if lost and missing == "error":
        raise InputError(
            f"{len(lost)} of {len(pairs)} cases have no prediction: {', '.join(pair.case for pair in lost[:5])}"
            f"{', ...' if len(lost) > 5 else ''}",
            "Predict them, give a reference without them, or ask for missing predictions to be scored as zero",
        )
    rows: list[dict[str, Any]] = []
    for done, pair in enumerate(pairs, start=1):
        scores = _score_pair(pair, labels, prediction_labels or labels, empty)
        kept = [score for score in scores if score.label not in pair.unscored_labels]
        rows += [{"case": pair.case, "subject": pair.subject, **asdict(score)} for score in kept]
        if not kept:
            logger.warning("case %s is not scored: its reference annotates no label throughout", pair.case)
        if progress is not None:
            progress(done, len(pairs))
    if all(row["reference_mm3"] == 0 for row in rows):
        raise InputError(
            f"none of the labels {', '.join(labels.names)} occurs in a reference that annotates it",
            "Check the label table against the values in the reference files",
            pairs[0].reference if pairs else None,
        )
    return pd.DataFrame(rows)


def _score_pair(pair: Pair, labels: LabelTable, prediction_labels: LabelTable, empty: EmptyPolicy) -> list[LabelScore]:
    reference = read_label_map(pair.reference)
    classes: NDArray[Any] | None = None
    if pair.prediction is not None:
        prediction = read_label_map(pair.prediction)
        if not prediction.grid.same_as(reference.grid):
            raise InputError(
                f"the prediction does not lie on the grid of its reference {pair.reference}: "
                f"{reference.grid.difference(prediction.grid)}",
                "Resample it to the reference's grid by nearest neighbour, or predict from that case's own image",
                pair.prediction,
            )
        classes = prediction_labels.to_classes(prediction.data)
        unknown = prediction_labels.unknown_values(prediction.data)
        if unknown and not (classes > 0).any():
            raise InputError(
                f"the prediction holds only values that the label table does not have: {unknown[:5]}",
                f"Values of the labels are {list(prediction_labels.values)}; put the prediction's own labels.tsv "
                "(columns index, name) beside it",
                pair.prediction,
            )
        if unknown:
            logger.warning("%s: values %s are not in the label table and count as background", pair.case, unknown[:5])
    return score_case(
        labels.to_classes(reference.data), classes, list(labels.names), reference.grid.voxel_volume_mm3, empty
    )


def _opens_as_cohort(path: Path) -> bool:
    """Whether a path is a cohort and not a folder of label maps; BIDS derivatives are the latter."""
    if path.is_file():
        return not is_image_file(path)
    if any((path / name).is_file() for name in ("dataset.json", "cohort.tsv", "cohort.csv")):
        return True
    try:
        description = json.loads((path / "dataset_description.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("DatasetType", "raw") == "raw"


def _labels_beside(path: Path) -> LabelTable | None:
    """The label table in a folder of label maps: ``labels.tsv``, or the only BIDS ``*dseg.tsv``."""
    tables = sorted(path.glob("labels.tsv")) or sorted(path.glob("*dseg.tsv"))
    return LabelTable.from_tsv(tables[0]) if len(tables) == 1 else None


def _known_to_both(labels: LabelTable, written: LabelTable, prediction: Path) -> LabelTable:
    """Labels that the predictions can hold, in the order of `labels`."""
    names = [name for name in labels.names if name in written.names]
    if not names:
        raise InputError(
            f"reference and prediction have no label in common: {', '.join(labels.names)} against "
            f"{', '.join(written.names)}",
            "Use the same names in both label tables, or select and merge the reference's labels",
            prediction / "labels.tsv",
        )
    left_out = [name for name in labels.names if name not in names]
    if left_out:
        logger.warning("not scored, because the predictions do not have them: %s", ", ".join(left_out))
    return labels.select(names)
