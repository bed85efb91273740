"""The page of P4's demonstration, its tables and its Markdown."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from neurograft.demos.sources import IMAGENET, RANDOM, STAND_IN, SourceModel, SourcesPlan
from neurograft.demos.sources_data import LESION_SEED, MADE_SEED, PICTURE_SEED, SPLIT_SEED, SourcesScans
from neurograft.demos.sources_runs import SourcesResult
from neurograft.demos.sources_tables import (
    headline_scores,
    lesion_text,
    loading_table,
    sources_sentences,
    sources_summary,
    sources_table,
    sources_verdicts,
)
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.summary import summarise
from neurograft.hardware import describe_machine, peak_memory_mib
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.orientation import reorient
from neurograft.inference.files import mask_path
from neurograft.outputs import write_table, write_text
from neurograft.reports.comparison import SliceExample
from neurograft.reports.evaluation import EvaluationReport
from neurograft.reports.evaluation_page import write_evaluation_page
from neurograft.reports.markdown import table_markdown
from neurograft.reports.training_facts import training_facts
from neurograft.training.record import library_versions

NAME = "sources"
TITLE = "P4 in small: which source task and which domain, for anatomy and for lesions"
DATA = (
    "brains of the sources: T1-like images made from 20 whole-head label maps (Apache-2.0) and the real scans that the "
    "anatomy is learnt from; pictures: made of two photographs that scikit-learn ships (CC BY 2.0); anatomy: MICCAI "
    "2012 multi-atlas challenge, 15 training scans (OASIS; Neuromorphometrics, Inc.), CC BY-NC 3.0; lesions: phantoms"
)


def write_sources(
    plan: SourcesPlan, scans: SourcesScans, result: SourcesResult, folder: Path, command: str
) -> list[str]:
    """Write ``sources.html``, ``sources.md`` and ``sources-*.tsv`` into `folder`.

    Returns:
        The answer, a sentence each.
    """
    summary, verdicts = sources_summary(result), sources_verdicts(result)
    answer = sources_sentences(summary, verdicts)
    tables = {
        "summary": summary,
        "scores": result.scores,
        "models": result.models,
        "loading": result.loading,
        "comparison": verdicts,
        "detection": result.detection,
        "lesions": result.lesions,
    }
    for name, table in tables.items():
        write_table(folder / f"{NAME}-{name}.tsv", table)
    facts = {
        "command": command,
        "data": DATA,
        "seeds": f"weights 0; split {SPLIT_SEED}; made images {MADE_SEED}, lesions {LESION_SEED}, "
        f"pictures {PICTURE_SEED}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "hardware": describe_machine(),
        **training_facts(result.models),
        "peak memory": f"{max(peak_memory_mib(), result.models['peak_memory_mib'].max()):.0f} MiB",
        **library_versions(),
    }
    method = method_sentences(plan, scans, set(summary["source"]))
    shown = {
        "": sources_table(summary),
        "Lesions found of all test people, 26 neighbours:": lesion_text(result),
        "What every source gives every target, in tensors:": loading_table(result),
    }
    parts = [f"{caption}\n\n{table_markdown(table)}".strip() for caption, table in shown.items()]
    parts += ["\n".join(f"- {line}" for line in lines) for lines in (answer, method)]
    parts.append("\n".join(f"- {key}: {value}" for key, value in facts.items()))
    write_text(folder / f"{NAME}.md", "\n\n".join(parts) + "\n")
    examples = best_examples(plan, scans, result, summary)
    write_evaluation_page(_report(result, summary, verdicts, answer, method, facts, examples), folder / f"{NAME}.html")
    return answer


def method_sentences(plan: SourcesPlan, scans: SourcesScans, sources: set[str]) -> list[str]:
    """What was done, and in what it differs from the paper."""
    recipe = plan.target_recipe(plan.targets()[0], _NO_SOURCE)
    size = " x ".join(str(side) for side in (recipe.preparation.crop_size or ()) if side)
    return [
        "Six encoders learnt to segment, to give images back (with a discriminator) or to classify, on brains and on "
        "pictures; each target copied an encoder, started its decoder from random weights and trained everything "
        "(encoder_only), beside twins from random weights.",
        f"Brains: {len(scans.brains.subjects)} people, namely images made from label maps and the "
        f"real scans of {len(scans.shared)} people from whom all targets learn too, with other labels (tissues, "
        "or which of fourteen structures a slice shows). Nobody who is tested is among them.",
        f"Pictures: {len(scans.pictures.subjects)} made ones, of shapes cut out of two photographs, with their masks. "
        "They stand in for Taskonomy and ImageNet's classes, and are far poorer than either.",
        _imagenet_words(sources),
        f"Anatomy: fourteen structures of {plan.test_people} people, the same at every count; {_parts_words(plan)}"
        f"lesions: {len(scans.lesion_test.subjects)} phantoms in FLAIR contrast, which is easier than P4's T1-weighted "
        "scans.",
        f"Budgets: {plan.source_budget}, {plan.anatomy_budget} for anatomy, {plan.lesion_budget} for lesions; slices "
        f"of {size} pixels; ResNet stem of {recipe.network.stem_channels} channels, latent of "
        f"{recipe.network.latent_channels}; {recipe.sampling.batch_size} slices a step; Adam at "
        f"{recipe.optimiser.learning_rate:g}, on targets a tenth of it from half of the budget on.",
        f"Loss of the targets: {_LOSS_WORDS[recipe.task.loss]}, {_WEIGHT_WORDS[recipe.task.class_weights]}"
        f"{_limit_words(recipe.task.class_weight_limit)}, where P4 has cross-entropy weighted without a limit; of the "
        "segmentation sources: cross-entropy weighted by median frequency, as P4 has it.",
        "Slices with lesions are turned, scaled and shifted at random, of which P4 says nothing; others are not."
        if plan.target_recipe(plan.targets()[-1], _NO_SOURCE).augmentation.rotation_probability > 0
        else "Slices are not changed at random.",
        "Dice and IoU are of whole scans on their own grids; of slices: the mean over axial slices, those without the "
        "label on both sides left out. P4's own figures are of slices, other scans and other amounts of both.",
        "Intervals and tests resample test people; they do not cover another draw of learners or of weights.",
    ]


def _imagenet_words(sources: set[str]) -> str:
    if IMAGENET in sources:
        return "ImageNet's weights were read from a file, into a ResNet-50 of full width."
    if STAND_IN in sources:
        return (
            "ImageNet's weights were not given (--imagenet FILE). In their place stands a ResNet-50 of the same full "
            "width that learnt to classify the made pictures; it says what the width does, not what ImageNet does."
        )
    return "ImageNet's weights were not given (--imagenet FILE), so that row is empty."


_NO_SOURCE = SourceModel(RANDOM)
_WEIGHT_WORDS = {"none": "all classes alike", "median_frequency": "classes weighted by median frequency"}
_LOSS_WORDS = {"ce": "cross-entropy", "dice": "Dice", "dice_ce": "Dice and cross-entropy"}


def _parts_words(plan: SourcesPlan) -> str:
    parts = {target.people: target.parts for target in plan.targets() if target.parts > 1}
    if not parts:
        return ""
    named = " and ".join(f"from {people} people by {number} models" for people, number in parts.items())
    return f"they are tested {named}, each on those whom it has not learnt from; "


def _limit_words(limit: float | None) -> str:
    return "" if limit is None else f", none beyond {limit:g} times another"


def best_examples(
    plan: SourcesPlan, scans: SourcesScans, result: SourcesResult, summary: pd.DataFrame
) -> tuple[SliceExample, ...]:
    """A test case of each target, the middle one of its best source."""
    examples = []
    for target in plan.targets():
        if target.draw or target.part:
            continue
        rows = summary[(summary["target"] == target.kind) & (summary["people"] == target.people)]
        source = str(rows.sort_values("dice")["source"].iloc[-1])
        scores = headline_scores(result)
        chosen = scores["source"].eq(source) & scores["target"].eq(target.kind) & scores["people"].eq(target.people)
        first = scores["draw"].eq(0) & scores["part"].eq(0)
        dice = scores[chosen & first].set_index("case")["dice"].sort_values()
        case_id = str(dice.index[len(dice) // 2])
        tested = scans.tested(target).select_labels(plan.target_recipe(target, _NO_SOURCE).labels)
        case = next(case for case in tested.cases if case.id == case_id)
        if case.label is None:
            continue
        image = read_image(next(iter(case.images.values())))
        mask = read_label_map(result.masks[source, target] / mask_path(tested, case))
        truth, found = (tested.labels.to_classes(one.data) for one in (read_label_map(case.label), mask))
        turned = [reorient(layer, image.grid, "RAS") for layer in (image.data, truth, found)]
        examples.append(
            SliceExample(
                title=f"{target.name}, middle case",
                case=case_id,
                strategy=source,
                dice=float(dice[case_id]),
                image=turned[0][0],
                truth=turned[1][0],
                prediction=turned[2][0],
                spacing_mm=turned[0][1].spacing_mm,
                label_names=tuple(tested.labels.names),
            )
        )
    return tuple(examples)


def _report(
    result: SourcesResult,
    summary: pd.DataFrame,
    verdicts: pd.DataFrame,
    answer: list[str],
    method: list[str],
    facts: dict[str, str],
    examples: Sequence[SliceExample],
) -> EvaluationReport:
    """A page whose labels are targets from sources, so that each has its dots."""
    rows = headline_scores(result)
    words = rows["target"] + ", " + rows["people"].astype(str) + " people: " + rows["source"]
    keep = ["dice", "iou", "dice_slices", "iou_slices"]
    per_case = rows.assign(label=words).groupby(["label", "case", "subject"], sort=False)[keep].mean().reset_index()
    per_case = per_case.assign(kind="label", status="ok")
    order = rows.assign(label=words).drop_duplicates("label").sort_values(["target", "people"], kind="stable")["label"]
    per_case["label"] = pd.Categorical(per_case["label"], list(order))
    per_case = per_case.sort_values("label", kind="stable").astype({"label": str})
    return EvaluationReport(
        title=TITLE,
        subtitle=" ".join(method),
        per_case=per_case,
        summary=summarise(per_case, Policies()).assign(policy=""),
        examples=examples,
        comparison=verdicts,
        # The verdicts stand by themselves, with the comparison.
        findings=[line for line in answer if line not in set(verdicts["verdict"])],
        row_name="model",
        further_tables={
            "Every source by every target": summary,
            "Lesions found (P4)": result.detection,
            "What every source gives every target": _by_unit(result.loading),
        },
        facts=facts,
    )


def _by_unit(loading: pd.DataFrame) -> pd.DataFrame:
    """Tensors of each unit by what was done with them, a row a source, target and unit."""
    first = loading[
        (loading["draw"] == 0)
        & (loading["part"] == 0)
        & (loading["people"] == loading.groupby("target")["people"].transform("min"))
    ]
    counted = first.groupby(["source", "target", "unit", "action"], sort=False).size().unstack(fill_value=0)
    why = first.groupby(["source", "target", "unit"], sort=False)["why"].agg(
        lambda texts: "; ".join(dict.fromkeys(text for text in texts if text))
    )
    return counted.join(why).reset_index()
