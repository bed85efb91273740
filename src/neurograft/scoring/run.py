"""Score files against files: pair, read, measure in parallel, and make the tables."""

import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from neurograft.cohorts.cohort import Cohort
from neurograft.cohorts.label_names import gather_labels
from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable
from neurograft.inference.region_files import ORACLE_WORDS, oracle_masks
from neurograft.scoring.groups import label_groups
from neurograft.scoring.label_tables import known_to_both, labels_beside, opens_as_cohort
from neurograft.scoring.measuring import CaseMeasures, measure_case
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.pairing import Pair, Pairing, pair_cohort, pair_files, with_images, with_raters
from neurograft.scoring.reading import LabelTables, read_case
from neurograft.scoring.tables import EvaluationTables, make_tables
from neurograft.scoring.workers import share_of_cores

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
Measure = Callable[[Sequence[Pair], LabelTables, ScoringOptions, Progress | None], Iterable[CaseMeasures]]
"""Reads and measures cases, and gives them in their order."""


@dataclass(frozen=True)
class Evaluation:
    """The tables of an evaluation and how they came about.

    Attributes:
        tables: all of them.
        pairing: which files belong together.
        labels: names of what was scored.
        options: what was computed, by which policies.
        label_tables: label values on either side.
    """

    tables: EvaluationTables
    pairing: Pairing
    labels: tuple[str, ...]
    options: ScoringOptions
    label_tables: LabelTables


def score_files(
    reference: Path | Cohort,
    prediction: Path,
    labels: LabelTable | None = None,
    options: ScoringOptions | None = None,
    raters: Mapping[str, Path] | None = None,
    images: Path | None = None,
    progress: Progress | None = None,
    measure: Measure | None = None,
) -> Evaluation:
    """Score a folder of predictions against a cohort or a folder of label maps.

    Args:
        reference: a cohort, a path that opens as one, a folder of label maps, or one label map.
        prediction: a folder of label maps, or one file. If the folder holds a ``labels.tsv``
            (or one BIDS ``*dseg.tsv``), its values are matched by name, and only names known on both
            sides are scored.
        labels: what to score; else the cohort's labels, or ``labels.tsv`` in the reference folder,
            or every value in the reference under the name ``label-<value>``.
        options: what to compute, and by which policies; overlap and volume alone by default.
        raters: further folders of label maps of the same cases, by rater.
        images: folder of the images, where the reference is no cohort.
        progress: called after every case with the cases done and the cases in all.
        measure: reads and measures the cases; processes of this machine unless another way is given.

    Raises:
        InputError: unpaired, missing or unreadable files, different grids, no label in common, or an
            option that names a label which is not there.
    """
    options = options or ScoringOptions()
    if isinstance(reference, Path) and opens_as_cohort(reference):
        reference = open_cohort(reference)
    if isinstance(reference, Cohort):
        if labels is not None:
            reference = reference.with_labels(labels)
        pairing, labels = pair_cohort(reference, prediction), reference.labels
    else:
        pairing = pair_files(reference, prediction)
        labels = labels or labels_beside(reference) or gather_labels([pair.reference for pair in pairing.pairs])
        if not labels.names:
            raise InputError("every reference label map is empty", "Give references that show a label", reference)
        if images is not None:
            pairing = with_images(pairing, reference, images)
    if raters:
        pairing = with_raters(pairing, reference, raters)
    _require_complete(pairing, options)
    if options.reference_region is not None and all(pair.image is None for pair in pairing.pairs):
        raise InputError(
            "a reference region has no use without images", "Give a cohort with images, or --images", prediction
        )
    tables = _label_tables(labels, prediction, raters or {}, options)
    names = tables.reference.names
    for name in options.lesions:
        if name not in names:
            raise InputError(f"there is no label {name!r} to detect lesions of", f"Labels: {', '.join(names)}")
    label_groups(names, options.groups)
    oracle = _oracle_cases(pairing, prediction)
    if oracle:
        logger.warning("%d cases were predicted with an %s", len(oracle), ORACLE_WORDS)
    measured = list((measure or _measure)(pairing.pairs, tables, options, progress))
    for case in measured:
        if not case.scores:
            logger.warning("case %s is not scored: its reference annotates no label throughout", case.case)
    if all(row["reference_mm3"] == 0 for case in measured for row in case.scores if row["kind"] == "label"):
        raise InputError(
            f"none of the labels {', '.join(names)} occurs in a reference that annotates it",
            "Check the label table against the values in the reference files",
            pairing.pairs[0].reference,
        )
    return Evaluation(make_tables(measured, names, options, oracle), pairing, tuple(names), options, tables)


def _require_complete(pairing: Pairing, options: ScoringOptions) -> None:
    """Tell what was paired, and refuse what the policies refuse."""
    pairs, missing = pairing.pairs, pairing.missing
    logger.info("paired %d of %d cases %s", len(pairs) - len(missing), len(pairs), pairing.how)
    if missing and options.policies.missing == "error":
        names = ", ".join(pair.case for pair in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise InputError(
            f"{len(missing)} of {len(pairs)} cases have no prediction: {names}",
            "Predict them, give a reference without them, or ask for missing predictions to be scored as zero "
            "with --missing score-zero",
        )
    if pairing.unused and options.policies.extra == "error":
        raise InputError(
            f"{len(pairing.unused)} predictions have no reference",
            "Remove them, or allow them with --extra report",
            pairing.unused[0],
        )
    if pairing.unused:
        logger.warning("%d predictions have no reference, the first is %s", len(pairing.unused), pairing.unused[0])


def _oracle_cases(pairing: Pairing, prediction: Path) -> frozenset[str]:
    """Cases whose prediction was made around the true structure."""
    masks = oracle_masks(prediction) if prediction.is_dir() else frozenset()
    return (
        frozenset(
            pair.case
            for pair in pairing.pairs
            if pair.prediction is not None and pair.prediction.relative_to(prediction).as_posix() in masks
        )
        if masks
        else frozenset()
    )


def _label_tables(
    labels: LabelTable, prediction: Path, raters: Mapping[str, Path], options: ScoringOptions
) -> LabelTables:
    region = None
    if options.reference_region is not None and not options.biomarkers:
        raise InputError("a reference region has no use where no intensities are measured", "Leave one of them out")
    if options.reference_region is not None:
        region = labels.select([options.reference_region])
        labels = labels.select([name for name in labels.names if name != options.reference_region])
    if options.labels:
        labels = labels.select(list(options.labels))
    written = labels_beside(prediction)
    if written is not None:
        labels = known_to_both(labels, written, prediction)
    names = list(labels.names)
    by_rater = {}
    for rater, folder in raters.items():
        theirs = labels_beside(folder)
        if theirs is not None and not set(names) <= set(theirs.names):
            raise InputError(
                f"rater {rater} has no label {', '.join(sorted(set(names) - set(theirs.names)))}",
                "Use the same names in all label tables",
                folder,
            )
        by_rater[rater] = labels if theirs is None else theirs.select(names)
    return LabelTables(labels, labels if written is None else written.select(names), by_rater, region)


def _measure(
    pairs: Sequence[Pair], tables: LabelTables, options: ScoringOptions, progress: Progress | None
) -> Iterator[CaseMeasures]:
    """Cases in their order, each read and measured by one of the workers."""
    workers, threads = share_of_cores(options.workers, len(pairs))
    one = partial(measure_pair, tables=tables, options=options, threads=threads)
    if workers > 1:
        # Not forked: a process that has run threads must not be.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from _told(pool.map(one, pairs), len(pairs), progress)
    else:
        yield from _told(map(one, pairs), len(pairs), progress)


def _told(measured: Iterable[CaseMeasures], total: int, progress: Progress | None) -> Iterator[CaseMeasures]:
    for done, case in enumerate(measured, start=1):
        if progress is not None:
            progress(done, total)
        yield case


def measure_pair(pair: Pair, tables: LabelTables, options: ScoringOptions, threads: int) -> CaseMeasures:
    """Read and measure one case, its labels shared by some threads."""
    arrays = read_case(pair, tables, options.policies.grids, options.biomarkers)
    wanted = replace(options, contrast_wanted=pair.reference_region is not None or tables.region is not None)
    return measure_case(pair.case, pair.subject, arrays, tables.reference.names, pair.unscored_labels, wanted, threads)
