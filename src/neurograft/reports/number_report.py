"""Predicted against true numbers in plain sentences, and in the form of an evaluation's page."""

import neurograft
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.summary import summarise
from neurograft.reports.evaluation import EvaluationReport
from neurograft.reports.number_text import decimal
from neurograft.scoring.numbers import NumberScores, regression_table
from neurograft.scoring.score_rows import LABEL


def number_sentences(scores: NumberScores) -> list[str]:
    """What the errors say, the baseline and a collapse first of all."""
    found = scores.regression
    people = f"{found.n} numbers of {found.n_subjects} subjects"
    sentences = [
        f"{scores.quantity}: mean absolute error {decimal(found.mae)} (95 % interval {decimal(found.mae_low)} to "
        f"{decimal(found.mae_high)}; {people}), root of the mean squared error {decimal(found.rmse)}, "
        f"R² {decimal(found.r2)}."
    ]
    if found.training_mean == found.training_mean:
        saved = f"{decimal(found.mae_saved_low)} to {decimal(found.mae_saved_high)}"
        if found.mae_saved_low > 0:
            verdict = "the model beats it"
        elif found.mae_saved_high < 0:
            verdict = "the model is worse than it"
        else:
            verdict = "no difference is shown"
        sentences.append(
            f"Always answering the training mean, {decimal(found.training_mean)}, has a mean absolute error of "
            f"{decimal(found.baseline_mae)}: {verdict} (saved {decimal(found.mae_saved)}, 95 % interval {saved})."
        )
    else:
        sentences.append("No training mean was given, so nothing says whether the model does more than guess the mean.")
    if found.collapsed:
        sentences.append(
            f"The predictions have collapsed: their standard deviation is {decimal(found.sd_predicted)}, that of the "
            f"truth {decimal(found.sd_true)}, and they say no more than a constant."
        )
    if scores.unpaired:
        shown = ", ".join(scores.unpaired[:5]) + (", ..." if len(scores.unpaired) > 5 else "")
        sentences.append(f"{len(scores.unpaired)} rows are in one of the tables only and left out: {shown}.")
    return sentences


def number_report(scores: NumberScores, subtitle: str) -> EvaluationReport:
    """Put the comparison of numbers into the form of an evaluation's page.

    Args:
        scores: what was found.
        subtitle: what was compared with what.
    """
    error = (scores.pairs["prediction"] - scores.pairs["reference"]).abs()
    per_case = scores.pairs.assign(kind=LABEL, status="ok", absolute_error=error)
    return EvaluationReport(
        title=f"How well is {scores.quantity} predicted?",
        subtitle=subtitle,
        per_case=per_case[["case", "subject", "label", "kind", "status", "absolute_error", "reference", "prediction"]],
        summary=summarise(per_case, Policies()).assign(policy=""),
        agreement=scores.agreement,
        paired=scores.pairs,
        warnings=number_sentences(scores),
        further_tables={"Errors and the baseline": regression_table(scores)},
        facts={"neurograft": neurograft.__version__},
    )
