"""From an evaluation's tables to what its page shows, worst cases included."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

import neurograft
from neurograft.evaluation.agreement.row import AGREEMENT_MEANINGS
from neurograft.evaluation.biomarkers.quality import FLAG_MEANINGS
from neurograft.evaluation.measures import MEASURES
from neurograft.evaluation.overlap.slices import SLICE_POLICY_WORDS
from neurograft.evaluation.summary import SUMMARY_MEANINGS
from neurograft.inference.region_files import ORACLE_WORDS
from neurograft.reports.comparison import SliceExample
from neurograft.reports.evaluation import EvaluationReport
from neurograft.scoring.reading import read_case
from neurograft.scoring.run import Evaluation
from neurograft.scoring.score_rows import LABEL

WORST_CASES = 3


def evaluation_report(evaluation: Evaluation, title: str, subtitle: str, facts: Mapping[str, str]) -> EvaluationReport:
    """Put an evaluation into the form of its page.

    Args:
        evaluation: what was found.
        title: of the page.
        subtitle: what was scored against what.
        facts: such as the command; pairing, policies and versions are added.
    """
    tables, options, pairing = evaluation.tables, evaluation.options, evaluation.pairing
    named = {
        "Lesions found (P4)": tables.lesion_detection,
        "Lesion by lesion": tables.lesion_scores,
        "Confusion between labels": tables.confusion,
        "Raters, agreement on quantities": tables.rater_agreement,
    }
    meanings = {name: measure.meaning for name, measure in MEASURES.items()}
    return EvaluationReport(
        title=title,
        subtitle=subtitle,
        per_case=tables.per_case,
        summary=tables.summary,
        examples=worst_cases(evaluation),
        agreement=tables.agreement,
        paired=tables.paired,
        raters=tables.raters,
        swaps=tables.swaps,
        warnings=_warnings(evaluation),
        further_tables={name: table for name, table in named.items() if table is not None},
        meanings={**SUMMARY_MEANINGS, **AGREEMENT_MEANINGS, **meanings},
        facts={
            **facts,
            "paired": f"{len(pairing.pairs) - len(pairing.missing)} of {len(pairing.pairs)} cases {pairing.how}",
            "policies": options.policies.words(),
            **({} if options.slices is None else {"slices": SLICE_POLICY_WORDS[options.slices]}),
            "surface Dice": f"tolerance {options.tolerance_mm:g} mm",
            "intervals": f"{options.level:.0%}, {options.draws} resamples of subjects, seed {options.seed}",
            "neurograft": neurograft.__version__,
        },
        level=options.level,
    )


def worst_cases(evaluation: Evaluation, count: int = WORST_CASES) -> tuple[SliceExample, ...]:
    """The cases with the smallest mean Dice over labels, those without a prediction left out.

    Args:
        evaluation: what was found.
        count: how many at most.
    """
    rows = evaluation.tables.per_case
    rows = rows[(rows["kind"] == LABEL) & (rows["status"] != "prediction-missing")]
    dice = rows.groupby("case")["dice"].mean().dropna().sort_values(kind="stable")
    pairs = {pair.case: pair for pair in evaluation.pairing.pairs}
    examples = []
    for rank, case in enumerate(dice.index[:count], start=1):
        arrays = read_case(pairs[str(case)], evaluation.label_tables, evaluation.options.policies.grids, True)
        if arrays.prediction is None:
            continue
        image = np.zeros(arrays.grid.shape, np.float32) if arrays.image is None else arrays.image
        examples.append(
            SliceExample(
                title="worst case" if rank == 1 else f"worst case but {rank - 1}",
                case=str(case),
                strategy="prediction" if arrays.image is not None else "prediction, no image given",
                dice=float(dice[case]),
                image=image,
                truth=arrays.reference,
                prediction=arrays.prediction,
                spacing_mm=arrays.grid.spacing_mm,
                label_names=evaluation.labels,
            )
        )
    return tuple(examples)


def _warnings(evaluation: Evaluation) -> tuple[str, ...]:
    """What a reader must know before the figures: leftover files and doubtful reference regions."""
    warnings = []
    if "oracle" in evaluation.tables.per_case:
        cases = evaluation.tables.per_case.loc[evaluation.tables.per_case["oracle"] == "yes", "case"].nunique()
        warnings.append(f"{cases} of {len(evaluation.pairing.pairs)} cases: {ORACLE_WORDS}.")
    if evaluation.pairing.unused:
        names = ", ".join(path.name for path in evaluation.pairing.unused[:3])
        more = ", ..." if len(evaluation.pairing.unused) > 3 else ""
        warnings.append(f"{len(evaluation.pairing.unused)} predictions have no reference: {names}{more}.")
    biomarkers = evaluation.tables.biomarkers
    if biomarkers is not None and "flags" in biomarkers:
        flags = biomarkers["flags"].replace("", pd.NA).dropna().str.split(";").explode().value_counts()
        for flag, rows in flags.items():
            meaning = {str(name): words for name, words in FLAG_MEANINGS.items()}[str(flag)]
            warnings.append(f"{rows} of {len(biomarkers)} measured structures are flagged {flag}: {meaning}.")
    return tuple(warnings)
