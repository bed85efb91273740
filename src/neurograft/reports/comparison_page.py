"""One HTML file that shows a comparison of strategies and asks nothing of any server."""

from pathlib import Path

from neurograft.outputs import write_text
from neurograft.reports.case_table import case_table
from neurograft.reports.comparison import ComparisonReport
from neurograft.reports.contrast_figure import contrast_panels
from neurograft.reports.curve_figure import LOSS, VALIDATION, curve_figure, has_values
from neurograft.reports.dice_figure import common_lowest, dice_figure
from neurograft.reports.example_panels import Panel, example_panels
from neurograft.reports.page_templates import fill_template
from neurograft.reports.series_style import SeriesStyle, series_styles, strategy_of_arm
from neurograft.reports.slice_figure import PREDICTION_COLOUR, TRUTH_COLOUR
from neurograft.reports.summary_table import summary_table
from neurograft.studies.people import people_words


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
    return fill_template(
        "comparison.html",
        report=report,
        summary=summary_table(report.summary),
        dice_panels=_dice_panels(report, strategies),
        curve_panels=_curve_panels(report, styles),
        curve_styles={name: style for name, style in styles.items() if name in drawn},
        examples=example_panels(report.examples),
        contrast_panels=[] if report.biomarkers is None else contrast_panels(report.biomarkers, strategies),
        cases=case_table(report.scores, report.strategies),
        truth_colour=TRUTH_COLOUR,
        prediction_colour=PREDICTION_COLOUR,
    )


def _dice_panels(report: ComparisonReport, styles: dict[str, SeriesStyle]) -> list[Panel]:
    lowest = common_lowest(report.scores)
    panels: list[Panel] = []
    groups = report.scores.groupby(["label", "training_subjects"], sort=False)
    for number, ((label, training_subjects), scores) in enumerate(groups):
        undefined = int(scores["dice"].isna().sum())
        caption = f"{label}, {people_words(training_subjects)} to learn from"
        if undefined:
            caption += f"; {undefined} of {len(scores)} scores are not defined and left out"
        panels.append(Panel(caption, dice_figure(scores, styles, f"dice-{number}", lowest)))
    return panels


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
