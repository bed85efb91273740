from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurograft.reports import EvaluationReport
from neurograft.reports.evaluation_page import evaluation_page
from neurograft.reports.evaluation_sentences import evaluation_answer, worst_row
from neurograft.reports.measures import measure_of

Make = Callable[..., EvaluationReport]


def summary_row(label: str, mean: float, **more: object) -> dict[str, object]:
    return {"label": label, "measure": "dice", "mean": mean, **more}


def cases(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["case", "label", "status", "dice"])


def report_of(per_case: pd.DataFrame, *summary: dict[str, object]) -> EvaluationReport:
    return EvaluationReport("title", "", per_case, pd.DataFrame(list(summary)))


def test_mean_comes_with_interval_count_policy_and_worst_case() -> None:
    report = report_of(
        cases(("a", "LC", "ok", 0.9), ("b", "LC", "ok", 0.5)),
        summary_row("LC", 0.7, low=0.5, high=0.9, n=2, n_subjects=1, policy="absent from one: Dice 0"),
    )
    answer = evaluation_answer(report)
    assert answer.lead == (
        "LC: mean Dice 0.700 (95\N{NO-BREAK SPACE}% interval 0.500 to 0.900; 2 cases of 1 subject).",
    )
    assert answer.details == ("Worst case: b, Dice 0.500.", "Every case has a prediction, and no mask is empty.")
    assert answer.policy == "How such cases count: absent from one: Dice 0."


def test_findings_stand_in_the_place_of_means() -> None:
    report = EvaluationReport(
        "title",
        "",
        cases(("a", "first", "ok", 0.9)),
        pd.DataFrame([summary_row("first", 0.9, policy="absent from one: Dice 0")]),
        findings=("The first is better.", "The second is not."),
        row_name="model",
    )
    report = replace(report, subtitle="Two were trained.")
    answer = evaluation_answer(report)
    assert (answer.lead, answer.details) == (("The first is better.", "The second is not."), ())
    assert answer.policy == "How such cases count: absent from one: Dice 0."
    page = evaluation_page(report)
    assert '<p class="lead">The first is better.</p>' in page
    assert "Model by model" in page
    assert page.index("The first is better.") < page.index("Two were trained.")


def test_lack_of_an_interval_is_said() -> None:
    report = report_of(cases(("a", "LC", "ok", 0.9)), summary_row("LC", 0.9, low=np.nan, high=np.nan, n=1))
    assert evaluation_answer(report).lead == (
        "LC: mean Dice 0.900 (no interval, which takes two subjects or more; 1 case).",
    )


def test_undefined_mean_is_said() -> None:
    report = report_of(cases(("a", "LC", "both-empty", np.nan)), summary_row("LC", np.nan, n=0))
    answer = evaluation_answer(report)
    assert answer.lead == ("LC: mean Dice is not defined, since no case counts.",)
    assert answer.details == ("In 1 of 1 mask reference and prediction are both empty: a.",)


def test_failures_are_counted_and_named_and_are_not_the_worst_case() -> None:
    rows = cases(
        *((f"m{place}", "LC", "prediction-missing", 0.0) for place in range(6)),
        ("e", "LC", "prediction-empty", 0.0), ("r", "LC", "reference-empty", 0.0), ("w", "LC", "ok", 0.3),
    )  # fmt: skip
    details = evaluation_answer(report_of(rows, summary_row("LC", 0.03))).details
    assert details == (
        "Worst case with both masks: w, Dice 0.300.",
        "6 of 9 cases have no prediction: m0, m1, m2, m3 and 2 more.",
        "In 1 of 9 masks the prediction is empty though the reference is not: e.",
        "In 1 of 9 masks the reference is empty though the prediction is not: r.",
    )


def test_many_labels_are_a_mean_and_a_range(make_evaluation: Make) -> None:
    report = make_evaluation(labels=("A", "B", "C", "D", "E"))
    means = report.summary[report.summary["measure"] == "dice"].set_index("label")["mean"]
    overall, span = evaluation_answer(report).lead
    assert overall.startswith(f"Mean over labels: Dice {means['mean over labels']:.3f} (95")
    singles = means.drop("mean over labels")
    assert span == (
        f"Over 5 labels, mean Dice runs from {singles.min():.3f} ({singles.idxmin()}) to {singles.max():.3f} "
        f"({singles.idxmax()}), from 12 cases each."
    )


def test_labels_without_a_mean_are_counted() -> None:
    labels = ("A", "B", "C", "D")
    report = report_of(
        cases(*(("a", label, "ok", 0.5) for label in labels)),
        *(summary_row(label, mean, n=1) for label, mean in zip(labels, (0.5, np.nan, 0.7, 0.6), strict=True)),
    )
    assert evaluation_answer(report).lead == (
        "Over 3 labels, mean Dice runs from 0.500 (A) to 0.700 (C), from 1 case each; not defined for 1 more.",
    )


@pytest.mark.parametrize(
    ("column", "expected"), [("dice", "a"), ("hausdorff_voxel_mm", "b"), ("volume_difference_mm3", "c")]
)
def test_worst_is_by_the_sense_of_the_measure(column: str, expected: str) -> None:
    rows = pd.DataFrame(
        {
            "case": ["a", "b", "c", "d"],
            "dice": [0.1, 0.9, 0.5, np.nan],
            "hausdorff_voxel_mm": [1.0, 9.0, 3.0, np.nan],
            "volume_difference_mm3": [5.0, 20.0, -30.0, np.nan],
        }
    )
    found = worst_row(rows, measure_of(column))
    assert found is not None
    assert found["case"] == expected
    assert worst_row(rows.iloc[3:], measure_of(column)) is None


def test_another_measure_leads_where_there_is_no_dice() -> None:
    per_case = pd.DataFrame({"case": ["a", "b"], "label": "LC", "hd95_max_voxel_mm": [2.0, 12.5]})
    summary = pd.DataFrame([{"label": "LC", "measure": "hd95_max_voxel_mm", "mean": 7.25, "n": 2}])
    answer = evaluation_answer(EvaluationReport("", "", per_case, summary))
    assert answer.lead == ("LC: mean HD95 7.250 mm (no interval, which takes two subjects or more; 2 cases).",)
    assert answer.details == ("Worst case: b, HD95 12.50 mm.",)
    assert answer.policy == ""
