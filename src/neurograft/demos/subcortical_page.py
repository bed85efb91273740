"""The page of a ladder on sub-cortical structures, its tables and its Markdown."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from neurograft.demos.subcortical import ATLAS_NOTE, Ladder
from neurograft.demos.subcortical_runs import LadderResult
from neurograft.demos.subcortical_tables import (
    PAPER_WORDS,
    ROW,
    ladder_sentences,
    ladder_summary,
    ladder_table,
    ladder_verdicts,
    seconds_table,
    structure_table,
)
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.summary import summarise
from neurograft.hardware import describe_machine, peak_memory_mib
from neurograft.outputs import write_table, write_text
from neurograft.reports.evaluation import LABEL_KIND, EvaluationReport
from neurograft.reports.evaluation_page import write_evaluation_page
from neurograft.reports.markdown import table_markdown
from neurograft.reports.training_facts import training_facts
from neurograft.scoring.score_rows import MEAN
from neurograft.training.record import library_versions

NAME = "subcortical"
TITLE = "Fourteen sub-cortical structures: from made images to real scans, with a few labelled people"
DATA = (
    "source: T1-like images made from 12 of 20 whole-head label maps (Apache-2.0); atlas: the other 8; target: MICCAI "
    "2012 multi-atlas challenge, 15 training scans (OASIS; Neuromorphometrics, Inc.), CC BY-NC 3.0"
)


@dataclass(frozen=True)
class LadderWords:
    """What the page of a ladder says.

    Attributes:
        name: of its files.
        title: of its page.
        data: where the scans come from.
        method: what was done, a sentence a step.
    """

    name: str
    title: str
    data: str
    method: tuple[str, ...]


def subcortical_words(ladder: Ladder) -> LadderWords:
    """Those of P5's ladder."""
    return LadderWords(NAME, TITLE, DATA, tuple(method_sentences(ladder)))


def write_ladder(
    words: LadderWords, result: LadderResult, registration_seconds: tuple[float, ...], folder: Path, command: str
) -> list[str]:
    """Write a page, its table as Markdown, and all figures, ``<name>.html``, ``<name>.md``, ``<name>-*.tsv``.

    Args:
        words: of the page.
        result: what was found.
        registration_seconds: of each scan; empty where nothing was registered.
        folder: for the files.
        command: what the user typed.

    Returns:
        The answer, a sentence each.
    """
    summary, verdicts = ladder_summary(result), ladder_verdicts(result)
    answer = ladder_sentences(summary, verdicts)
    tables = {"summary": summary, "scores": result.scores, "models": result.models, "comparison": verdicts}
    for name, table in {**tables, "seconds": result.seconds}.items():
        write_table(folder / f"{words.name}-{name}.tsv", table)
    facts = {
        "command": command,
        "data": words.data,
        "seeds": ", ".join(map(str, sorted(set(result.scores["seed"])))),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "hardware": describe_machine(),
        **training_facts(result.models),
        "peak memory": f"{max(peak_memory_mib(), result.models['peak_memory_mib'].max()):.0f} MiB",
        **library_versions(),
    }
    shown = {
        "": ladder_table(summary),
        "Every structure, Dice, mean ± SD over people:": structure_table(result),
        "Seconds a scan:": seconds_table(result, registration_seconds),
    }
    parts = [f"{caption}\n\n{table_markdown(table)}".strip() for caption, table in shown.items()]
    parts += ["\n".join(f"- {line}" for line in lines) for lines in (answer, words.method)]
    parts.append("\n".join(f"- {key}: {value}" for key, value in facts.items()))
    write_text(folder / f"{words.name}.md", "\n\n".join(parts) + "\n")
    write_evaluation_page(_report(words, result, summary, verdicts, answer, facts), folder / f"{words.name}.html")
    return answer


def method_sentences(ladder: Ladder) -> list[str]:
    """What was done, and in what it differs from the paper."""
    sizes = ", ".join(map(str, ladder.sizes))
    budgets = [
        f"{network.name}: {network.source_budget.removesuffix('steps')} steps on the source, "
        f"{network.budget.removesuffix('steps')} on target people, transfer by {network.strategy}"
        for network in ladder.networks
    ]
    return [
        f"A source model learnt from made images; {sizes} target people, one set inside the next, were then learnt "
        "from by transfer, from scratch, or together with the source (mixed).",
        "Everybody was scored at every count: those whom a model had learnt from by a second one that had learnt from "
        "as many others, as in the paper.",
        ATLAS_NOTE,
        f"{'; '.join(budgets)}. The last weights were kept, and nobody was held out to choose them.",
        f"The paper's figures: {PAPER_WORDS}. Here the source is made, and the official test scans are not among the "
        "15: the rows are no like-for-like comparison.",
        "The tri-planar network is P5's, with Adam at 0.001 for all (its public code; the paper has 0.01, and 0.0001 "
        "for transfer over up to 200 epochs), within 5 voxels of the atlas's structures, not 15.",
        "Standardised: intensities were brought to the source's scale by Nyúl's landmarks, measured on the source.",
        "Intervals and tests resample test people; they do not cover the draw of the training people.",
    ]


def _report(
    words: LadderWords,
    result: LadderResult,
    summary: pd.DataFrame,
    verdicts: pd.DataFrame,
    answer: list[str],
    facts: dict[str, str],
) -> EvaluationReport:
    """A page whose labels are the models, so that each has its dots."""
    means = result.scores[result.scores["label"] == MEAN]
    names = means["network"] + ": " + means["way"] + ", " + means["people"].astype(str)
    of_case = means.assign(label=names).groupby(["label", "case", "subject"], sort=False)["dice"].mean()
    per_case = of_case.reset_index().assign(kind=LABEL_KIND, status="ok")
    of_structure = result.scores[result.scores["kind"] == LABEL_KIND].groupby(["label", *ROW], sort=False)["dice"]
    structures = of_structure.mean().reset_index().rename(columns={"label": "structure"})
    return EvaluationReport(
        title=words.title,
        subtitle=" ".join(words.method),
        per_case=per_case,
        summary=summarise(per_case, Policies()).assign(policy=""),
        comparison=None if verdicts.empty else verdicts,
        findings=answer,
        row_name="model",
        further_tables={
            "The ladder beside the paper's": summary,
            "Every structure": structures,
            "Seconds a scan, without registration": result.seconds,
        },
        facts=facts,
    )
