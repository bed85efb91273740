"""The page of P2's demonstration, its tables and its Markdown."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from neurograft.demos.nuclei import ARMS, RATERS, TRANSFER, NucleiPlan, NucleiScans
from neurograft.demos.nuclei_runs import NucleiResult
from neurograft.demos.nuclei_tables import (
    agreement_text,
    dice_table,
    learning_table,
    nuclei_agreement,
    nuclei_pairs,
    nuclei_scores,
    nuclei_sentences,
    nuclei_verdicts,
)
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.summary import summarise
from neurograft.hardware import describe_machine, peak_memory_mib
from neurograft.outputs import write_table, write_text
from neurograft.reports.evaluation import EvaluationReport
from neurograft.reports.evaluation_page import write_evaluation_page
from neurograft.reports.evaluation_report import worst_cases
from neurograft.reports.markdown import table_markdown
from neurograft.reports.training_facts import training_facts
from neurograft.training.record import library_versions

NAME = "midbrain-qsm"
TITLE = "P2 in small: three midbrain nuclei on susceptibility maps, from a model of two on thick slices"
DATA = "phantoms made by neurograft from the MNI152 template that nilearn ships; no patient data"


def write_nuclei(plan: NucleiPlan, scans: NucleiScans, result: NucleiResult, folder: Path, command: str) -> list[str]:
    """Write ``midbrain-qsm.html``, ``midbrain-qsm.md`` and ``midbrain-qsm-*.tsv`` into `folder`.

    Returns:
        The answer, a sentence each.
    """
    scores, agreement = nuclei_scores(result), nuclei_agreement(result)
    verdicts = nuclei_verdicts(scores)
    answer = nuclei_sentences(scores, agreement, verdicts)
    tables = {"scores": scores, "agreement": agreement, "comparison": verdicts, "models": result.models}
    for name, table in {**tables, "curves": result.curves, "paired": nuclei_pairs(result)}.items():
        write_table(folder / f"{NAME}-{name}.tsv", table)
    facts = {
        "command": command,
        "data": DATA,
        "seeds": f"phantoms {plan.source_seed} and {plan.target_seed}; fold k has seed k, from 0",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "hardware": describe_machine(),
        **training_facts(result.models),
        "peak memory": f"{max(peak_memory_mib(), result.models['peak_memory_mib'].max()):.0f} MiB",
        **library_versions(),
    }
    method = method_sentences(plan, scans)
    shown = {
        "": dice_table(scores),
        "Volume (mm³) and mean susceptibility (ppb), method minus rater:": agreement_text(agreement),
        "What learning took:": learning_table(result),
    }
    parts = [f"{caption}\n\n{table_markdown(table)}".strip() for caption, table in shown.items()]
    parts += ["\n".join(f"- {line}" for line in lines) for lines in (answer, method)]
    parts.append("\n".join(f"- {key}: {value}" for key, value in facts.items()))
    write_text(folder / f"{NAME}.md", "\n\n".join(parts) + "\n")
    report = _report(result, scores, agreement, verdicts, answer, method, facts)
    write_evaluation_page(report, folder / f"{NAME}.html")
    return answer


def method_sentences(plan: NucleiPlan, scans: NucleiScans) -> list[str]:
    """What was done, and in what it differs from the paper."""
    source, target = plan.source_recipe(ARMS[0]), plan.target_recipe(ARMS[0])
    channels = target.network.channels
    crops = " and ".join(str(max(side or 0 for side in each.preparation.crop_size or ())) for each in (source, target))
    return [
        f"A source learnt RN and SN-STN on axial slices of 2 mm of {len(scans.source.subjects)} phantoms. All but its "
        "outputs was copied and trained further on coronal slices of 0.83 mm with RN, SN and STN (reset_head); a twin "
        "started from random weights; a third kind of model and its source have no attention gates.",
        f"{len(scans.pool.subjects)} people were divided into {plan.folds} folds. Each fold's model learnt from the "
        f"others, and its weights were chosen on the fold; the probabilities of all {plan.folds} were averaged on "
        f"{len(scans.test.subjects)} people whom none had seen, whose masks were cut at one half and filtered to the "
        "two largest components of each nucleus.",
        "Rater 1 drew what is learnt; both raters' drawings of the test people are compared with. The row of rater 2 "
        "is the raters' own agreement.",
        f"Shrunk from the paper's: {plan.source_budget.removesuffix('steps')} steps on the source and "
        f"{plan.budget.removesuffix('steps')} a fold, in place of early stopping; {min(channels)} to "
        f"{max(channels)} channels; crops of {crops} voxels; Adam at {target.optimiser.learning_rate:g} on "
        f"{target.sampling.batch_size} slices a step.",
        "Phantoms are easier than scans, and their raters were made to agree as P2's do: the figures show that the "
        "machinery works, and none of the paper's is reproduced by them. The paper's stand beside for orientation.",
        "Intervals and tests resample test people; they do not cover another draw of learners.",
    ]


def _report(
    result: NucleiResult,
    scores: pd.DataFrame,
    agreement: pd.DataFrame,
    verdicts: pd.DataFrame,
    answer: list[str],
    method: list[str],
    facts: dict[str, str],
) -> EvaluationReport:
    """A page whose labels are nuclei of methods, with the pairs of the transferred models drawn against both raters."""
    with_first = scores[scores["rater"] == "rater 1"]
    per_case = with_first.assign(label=with_first["label"] + ": " + with_first["method"])
    per_case = per_case.sort_values("label", kind="stable")[["case", "subject", "label", "kind", "status", "dice"]]
    pairs = nuclei_pairs(result)
    pairs = pairs[pairs["method"] == TRANSFER]
    pairs = pairs.assign(quantity=pairs["quantity"] + ", against " + pairs["rater"])
    return EvaluationReport(
        title=TITLE,
        subtitle=" ".join(method),
        per_case=per_case,
        summary=summarise(per_case, Policies()).assign(policy=""),
        examples=worst_cases(result.evaluations[TRANSFER, RATERS[0]]),
        agreement=agreement.assign(quantity=agreement["quantity"] + ", " + _between(agreement)),
        paired=pairs,
        comparison=verdicts,
        # The verdicts stand by themselves, with the comparison.
        findings=[line for line in answer if line not in set(verdicts["verdict"])],
        row_name="model",
        further_tables={"What learning took": result.models},
        facts=facts,
    )


def _between(rows: pd.DataFrame) -> pd.Series:
    """Who is compared with whom, such as "transfer against rater 2"."""
    return rows["method"] + " against " + rows["rater"]
