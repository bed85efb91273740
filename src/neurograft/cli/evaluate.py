"""``neurograft evaluate``: predictions against reference label maps."""

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurograft.cli.executors import ClusterOption, PartsExecutorOption, executor_of
from neurograft.cli.options import (
    BidsOption,
    JsonOption,
    OutOption,
    OverwriteOption,
    PartsWorkersOption,
    SubjectsOption,
    WhereOption,
)

if TYPE_CHECKING:
    import pandas as pd

    from neurograft.scoring.run import Evaluation

THREADS, MEMORY_MIB = 1, 2000
"""Of a worker, where cases are measured in parts."""


def evaluate(
    reference: Annotated[Path, typer.Option(help="A cohort or a folder of label maps.", show_default=False)],
    prediction: Annotated[Path, typer.Option(help="A folder of label maps.", show_default=False)],
    out: OutOption,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Score this label only; may be repeated.", show_default=False),
    ] = None,
    rater: Annotated[
        list[str] | None,
        typer.Option(help="Another rater's label maps, as NAME=DIR; may be repeated.", show_default=False),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, where the reference is no cohort.", show_default=False),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="Label that is the reference region of contrast ratios.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Score labels as one too, as NAME=LABEL,LABEL; may be repeated.", show_default=False),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Summarise by a column of the cohort too, such as scanner.", show_default=False),
    ] = None,
    lesion: Annotated[
        list[str] | None,
        typer.Option(help="Label whose components are lesions to be found; may be repeated.", show_default=False),
    ] = None,
    lesion_matching: Annotated[
        str, typer.Option(help="Which lesions belong together: any-overlap, total-overlap or one-to-one.")
    ] = "any-overlap",
    surfaces: Annotated[str, typer.Option(help="Surface distances: voxel, element, both or none.")] = "both",
    tolerance: Annotated[float, typer.Option(min=0, help="Tolerance of the surface Dice in mm.")] = 1.0,
    slices: Annotated[
        str,
        typer.Option(
            help="Score axial slices too: skip, perfect, reference-slices or shared-slices says which count; none."
        ),
    ] = "none",
    biomarkers: Annotated[bool, typer.Option(help="Measure intensities and contrast in the images.")] = True,
    missing: Annotated[
        str, typer.Option(help="A missing prediction is an error, or a failure in the means: error or score-zero.")
    ] = "error",
    extra: Annotated[
        str, typer.Option(help="A prediction without a reference is told, or an error: report or error.")
    ] = "report",
    empty: Annotated[str, typer.Option(help="A label absent from both sides: skip or perfect.")] = "skip",
    distance: Annotated[
        str, typer.Option(help="Distances of a label absent from one side: leave-out or diagonal.")
    ] = "leave-out",
    grids: Annotated[str, typer.Option(help="A prediction on another grid: refuse or resample.")] = "refuse",
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 takes as many as serve.")] = 0,
    executor: PartsExecutorOption = None,
    workers: PartsWorkersOption = None,
    cluster: ClusterOption = "local",
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Score predictions: overlap, surfaces, lesions, biomarkers and agreement, with tables and a page."""
    from dataclasses import replace
    from functools import partial
    from typing import get_args

    from neurograft.cli.display import progress_bar, show_json
    from neurograft.cli.options import Selection, chosen, read_pairs
    from neurograft.cohorts import Cohort
    from neurograft.evaluation.lesions.matching import MatchPolicy
    from neurograft.evaluation.overlap.slices import SlicePolicy
    from neurograft.evaluation.policies import Policies
    from neurograft.inference.region_files import ORACLE_WORDS, region_facts
    from neurograft.outputs import check_free, staged_directory, write_table
    from neurograft.reports.evaluation_page import write_evaluation_page
    from neurograft.reports.evaluation_report import evaluation_report
    from neurograft.scoring.by_covariate import summary_by
    from neurograft.scoring.files import evaluation_summary, write_evaluation
    from neurograft.scoring.options import BOTH_SURFACES, ScoringOptions
    from neurograft.scoring.run import score_files
    from neurograft.studies.parts.measuring import measure_in_parts
    from neurograft.studies.parts.spreading import Spread

    slice_policies = {**{name: name for name in get_args(SlicePolicy)}, "none": None}
    definitions = {"both": BOTH_SURFACES, "none": (), "voxel": BOTH_SURFACES[:1], "element": BOTH_SURFACES[1:]}
    policies = Policies(
        chosen("--empty", empty, Policies, "empty"),
        chosen("--distance", distance, Policies, "distance"),
        chosen("--missing", missing, Policies, "missing"),
        chosen("--extra", extra, Policies, "extra"),
        chosen("--grids", grids, Policies, "grids"),
    )
    options = ScoringOptions(
        policies,
        surfaces=definitions[chosen("--surfaces", surfaces, definitions)],
        tolerance_mm=tolerance,
        groups={
            name: tuple(member.strip() for member in members.split(","))
            for name, members in read_pairs(group, "--group", "NAME=LABEL,LABEL").items()
        },
        slices=slice_policies[chosen("--slices", slices, slice_policies)],
        lesions=tuple(lesion or ()),
        lesion_matching=chosen("--lesion-matching", lesion_matching, MatchPolicy),
        biomarkers=biomarkers,
        reference_region=region,
        labels=tuple(label or ()),
        workers=jobs,
    )
    raters = {name: Path(folder) for name, folder in read_pairs(rater, "--rater", "NAME=DIR").items()}
    selection = Selection(subjects, where, bids)
    against = selection.open(reference) if selection or by else reference
    identity = {
        "reference": str(reference),
        "prediction": str(prediction),
        "raters": {name: str(folder) for name, folder in raters.items()},
        "images": str(images),
        "options": repr(options),
        **({"by": by} if by else {}),
    }
    check_free(out, overwrite)
    spread = None
    if executor is not None:
        spread = Spread.beside(out, executor_of(executor, cluster, workers, THREADS, MEMORY_MIB, "cpu")[0])
    with progress_bar("Scoring") as progress:
        evaluation = score_files(
            against,
            prediction,
            options=options,
            raters=raters,
            images=images,
            progress=progress,
            measure=None if spread is None else partial(measure_in_parts, spread),
        )
    grouped = summary_by(evaluation, against, by) if by and isinstance(against, Cohort) else None
    with staged_directory(out, identity, overwrite) as folder:
        write_evaluation(evaluation, folder)
        subtitle = f"{prediction} against {reference}"
        report = evaluation_report(evaluation, "How good are these segmentations?", subtitle, region_facts(prediction))
        if grouped is not None:
            write_table(folder / f"summary_by_{by}.tsv", grouped)
            dice = grouped[grouped["measure"] == "dice"].drop(columns=["measure", "unit", "policy"])
            report = replace(report, further_tables={**report.further_tables, f"Dice by {by}": dice})
        write_evaluation_page(report, folder / "evaluation.html")
    if spread is not None:
        spread.clear()
    if json:
        groups = {} if grouped is None else {f"summary_by_{by}": grouped.to_dict("records")}
        show_json({"out": str(out), **evaluation_summary(evaluation).model_dump(), **groups})
    else:
        _show(evaluation, out)
        if grouped is not None:
            _show_groups(grouped)
        if "oracle" in evaluation.tables.per_case:
            typer.echo(f"Beware: {ORACLE_WORDS}.")


def _show(evaluation: "Evaluation", out: Path) -> None:
    """The Dice, a distance and the volume of every label in the terminal."""
    from neurograft.cli.display import show_table

    summary = evaluation.tables.summary
    distance = next(
        (name for name in ("hd95_max_voxel_mm", "hd95_max_element_mm") if name in set(summary["measure"])), ""
    )
    rows = []
    for label, figures in summary.groupby("label", sort=False):
        by_measure = {str(row["measure"]): row for row in figures.to_dict("records")}
        dice = by_measure["dice"]
        rows.append(
            (
                label,
                f"{_number(dice['mean'])} ± {_number(dice['sd'])}",
                f"{_number(dice['low'])} to {_number(dice['high'])}",
                _number(dice["min"]),
                dice["n"],
                dice["n_subjects"],
                _figure(by_measure, distance),
                _figure(by_measure, "volume_difference_mm3"),
            )
        )
    columns = (
        "label",
        "Dice, mean ± SD",
        "95 % interval",
        "worst",
        "n",
        "subjects",
        f"{distance or 'distance'}",
        "volume difference, mm³",
    )
    show_table(f"Paired {evaluation.pairing.how}", columns, rows)
    typer.echo(f"Policies: {evaluation.options.policies.words()}")
    for sentence in evaluation.tables.swaps:
        typer.echo(f"Sides: {sentence}")
    typer.echo(f"Page: {out / 'evaluation.html'}")


def _show_groups(grouped: "pd.DataFrame") -> None:
    """The Dice of every label in every group."""
    from neurograft.cli.display import show_table

    by = str(grouped.columns[0])
    rows = [
        (row[by], row["label"], f"{_number(row['mean'])} ± {_number(row['sd'])}", row["n"], row["n_subjects"])
        for row in grouped[grouped["measure"] == "dice"].to_dict("records")
    ]
    show_table(f"By {by}", (by, "label", "Dice, mean ± SD", "n", "subjects"), rows)


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"


def _figure(by_measure: dict[str, dict[Hashable, Any]], measure: str) -> str:
    row = by_measure.get(measure)
    return "-" if row is None else f"{row['mean']:.2f} (n = {row['n']})"
