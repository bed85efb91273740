"""One HTML file that shows a comparison of strategies and asks nothing of any server."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from neurograft.outputs import write_text
from neurograft.reports.case_table import case_table
from neurograft.reports.comparison import ComparisonReport, SliceExample
from neurograft.reports.contrast_figure import contrast_panels
from neurograft.reports.curve_figure import LOSS, VALIDATION, curve_figure, has_values
from neurograft.reports.dice_figure import common_lowest, dice_figure
from neurograft.reports.number_text import decimal
from neurograft.reports.series_style import SeriesStyle, series_styles, strategy_of_arm
from neurograft.reports.slice_figure import PREDICTION_COLOUR, TRUTH_COLOUR, slice_figure
from neurograft.reports.slice_planes import PLANES, largest_slice, predicted_outside, shown_structure, view_of
from neurograft.reports.summary_table import summary_table


@dataclass(frozen=True, eq=False)
class Panel:
    """A figure with the words beside it."""

    caption: str
    figure: Markup


@dataclass(frozen=True, eq=False)
class ExamplePanels:
    """The planes of one case with the words above and below them."""

    title: str
    facts: tuple[str, ...]
    panels: tuple[Panel, ...]
    remark: str


def write_comparison_page(report: ComparisonReport, path: Path) -> None:
    """Write a comparison as one HTML file, in one move.

    The file holds its figures, styles and script, and forbids itself any request.

    Args:
        report: what was found.
        path: of the HTML file; its folder is made.
    """
    write_text(path, comparison_page(report))


def comparison_page(report: ComparisonReport) -> str:
    """The text of the page; everything in the report is escaped."""
    # Colours go by strategy; arms that belong to none, such as the source model's, get their own.
    styles = series_styles(report.strategies, report.curves)
    strategies = {name: styles[name] for name in report.strategies}
    drawn = {strategy_of_arm(arm, styles) or arm for arm in report.curves}
    return (
        _environment()
        .get_template("comparison.html")
        .render(
            report=report,
            summary=summary_table(report.summary),
            dice_panels=_dice_panels(report, strategies),
            curve_panels=_curve_panels(report, styles),
            curve_styles={name: style for name, style in styles.items() if name in drawn},
            examples=[_example(example, number) for number, example in enumerate(report.examples)],
            contrast_panels=[] if report.biomarkers is None else contrast_panels(report.biomarkers, strategies),
            cases=case_table(report.scores, report.strategies),
            truth_colour=TRUTH_COLOUR,
            prediction_colour=PREDICTION_COLOUR,
        )
    )


def _environment() -> Environment:
    templates = resources.files("neurograft.reports").joinpath("templates")
    return Environment(
        loader=FunctionLoader(lambda name: templates.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _dice_panels(report: ComparisonReport, styles: dict[str, SeriesStyle]) -> list[Panel]:
    lowest = common_lowest(report.scores)
    panels: list[Panel] = []
    groups = report.scores.groupby(["label", "training_subjects"], sort=False)
    for number, ((label, training_subjects), scores) in enumerate(groups):
        undefined = int(scores["dice"].isna().sum())
        caption = f"{label}, {_people(training_subjects)} to learn from"
        if undefined:
            caption += f"; {undefined} of {len(scores)} scores are not defined and left out"
        panels.append(Panel(caption, dice_figure(scores, styles, f"dice-{number}", lowest)))
    return panels


def _people(count: object) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _curve_panels(report: ComparisonReport, styles: dict[str, SeriesStyle]) -> list[Panel]:
    shown = (
        (LOSS, "Training loss", "Training loss; long curves are running means over a thirtieth of the steps"),
        (VALIDATION, "Validation Dice", "Dice on whole validation volumes during training"),
    )
    return [
        Panel(caption, curve_figure(report.curves, styles, column, what, f"curve-{number}"))
        for number, (column, what, caption) in enumerate(shown)
        if has_values(report.curves, column)
    ]


def _example(example: SliceExample, number: int) -> ExamplePanels:
    structure, view = shown_structure(example), view_of(example)
    panels = []
    for plane in PLANES:
        index = largest_slice(structure, plane.through)
        caption = f"{plane.name}, slice {index + 1} of {example.image.shape[plane.through]}"
        panels.append(Panel(caption, slice_figure(example, plane, index, view, f"slice-{number}-{plane.name}")))
    outside = predicted_outside(example, view)
    return ExamplePanels(
        title=example.title,
        facts=(
            f"case {example.case}",
            f"strategy {example.strategy}",
            f"Dice {decimal(example.dice)}",
            " and ".join(example.label_names),
            f"voxels {' × '.join(f'{side:.3g}' for side in example.spacing_mm)} mm",
        ),
        panels=tuple(panels),
        remark="".join(
            (
                "" if (example.truth > 0).any() else "The truth is empty here. ",
                "" if (example.prediction > 0).any() else "The prediction is empty here. ",
                f"{outside} predicted voxels lie outside the frames." if outside else "",
            )
        ).strip(),
    )
