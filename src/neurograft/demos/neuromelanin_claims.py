"""What the protocol says of P1's claims, each answered from verdicts and intervals, never by hand."""

from typing import Any

import pandas as pd

from neurograft.demos.neuromelanin_measures import RATER, RATIOS, Measured
from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.reports.number_text import decimal
from neurograft.studies.comparison import ComparisonResult

FAIR_DICE = 0.5
"""P1 calls a Dice of about one half for LC fair; two raters reach 0.54 to 0.64 there."""
LOW_ICC = 0.2
"""An ICC below it whose interval does not lie above zero is near zero."""

TWIN, UNADAPTED = "scratch", "none"


def claims(result: ComparisonResult, measured: Measured, label: str) -> list[str]:
    """Three sentences, or groups of them: transfer, lower rates, and Dice against ICC.

    Args:
        result: scores of the label that the models learnt.
        measured: Dice by structure, and ICCs.
        label: the label that the models learnt.
    """
    scores = result.scores[result.scores["label"] == label]
    found = []
    for people in dict.fromkeys(scores.loc[scores["strategy"] == TWIN, "people"]):
        of_size = scores[scores["people"] == people]
        found += [transfer_claim(of_size, label, people), lower_rates_claim(of_size, label, people)]
    return [*sorted(found, key=lambda sentence: sentence.startswith("Lower")), *agreement_claim(measured)]


def transfer_claim(scores: pd.DataFrame, label: str, people: str) -> str:
    """Whether starting from the other structure helps: each strategy against the twin from scratch."""
    table = compare_methods(_frame(scores), "Dice", label, TWIN)
    return f"Transfer from {people} people: {_tally(table, 'scratch')}"


def lower_rates_claim(scores: pd.DataFrame, label: str, people: str) -> str:
    """Whether lower rates beat freezing: each of the one kind against each of the other."""
    frame = _frame(scores)
    lower = [name for name in dict.fromkeys(frame["method"]) if name.startswith("decay")]
    frozen = [name for name in dict.fromkeys(frame["method"]) if name.startswith("freeze")]
    # Lower rates first, so that a difference above zero speaks for them.
    ordered = pd.concat([frame[frame["method"] == name] for name in [*lower, *frozen]])
    table = compare_methods(ordered, "Dice", label)
    table = table[table["first"].isin(lower) & table["second"].isin(frozen)]
    return f"Lower rates against freezing, from {people} people: {_tally(table, 'freezing')}"


def agreement_claim(measured: Measured) -> list[str]:
    """Whether Dice can be fair while the contrast ratio hardly agrees, and how far two raters agree."""
    whole = measured.rows[measured.rows["label"] == measured.whole]
    models = whole[~whole["strategy"].isin([RATER, UNADAPTED])]
    sentences = []
    for figure, quantity in RATIOS.items():
        fair = models[models["dice"] >= FAIR_DICE]
        low = fair[(fair[figure] < LOW_ICC) & ~(fair[f"{figure}_low"] > 0)]
        words = f"ICC of {quantity}" + (f", {measured.whole}" if len(measured.structures) > 1 else "")
        if fair.empty:
            sentences.append(f"{words}: no model has a Dice of {FAIR_DICE} or more, so nothing shows here.")
            continue
        examples = "; ".join(
            f"{row['strategy']}, {row['training_subjects']} people, seed {row['seed']}: Dice {decimal(row['dice'])}, "
            f"ICC {decimal(row[figure])}"
            for row in low.sort_values(figure).head(2).to_dict("records")
        )
        verdict = f"a fair Dice with an ICC near zero is seen ({examples})" if examples else "none is seen"
        sentences.append(
            f"{words}: of {len(models)} models {len(fair)} have a Dice of {FAIR_DICE} or more, and {len(low)} of these "
            f"an ICC below {LOW_ICC} that its interval does not part from zero: {verdict}. Over the fair ones the "
            f"ICC goes from {decimal(fair[figure].min())} to {decimal(fair[figure].max())}."
        )
    raters = whole[whole["strategy"] == RATER].iloc[0]
    said = ", ".join(f"ICC of {quantity} {decimal(raters[figure])}" for figure, quantity in RATIOS.items())
    sentences.append(f"The two raters among themselves: Dice {decimal(raters['dice'])}, {said}.")
    return sentences


def _frame(scores: pd.DataFrame) -> pd.DataFrame:
    frame = scores.rename(columns={"strategy": "method", "dice": "value"})
    return frame[["subject", "case", "seed", "method", "value"]]


def _tally(table: pd.DataFrame, against: str) -> str:
    """How many comparisons are settled, which way, in one sentence."""
    said: dict[str, list[dict[str, Any]]] = {word: [] for word in ("better", "worse", "open")}
    for row in table.to_dict("records"):
        word = next((word for word in ("better", "worse") if f"is {word} than" in row["verdict"]), "open")
        said[word].append({str(name): value for name, value in row.items()})
    total = len(table)
    shown = {
        (True, False): "shown in all" if len(said["better"]) == total else "shown in part",
        (False, True): "the opposite is shown",
        (True, True): "it depends",
        (False, False): "not shown",
    }[bool(said["better"]), bool(said["worse"])]
    parts = [
        f"{name} than {against} in {len(rows)} of {total} ({'; '.join(map(_pair, rows))})"
        for name, rows in said.items()
        if name != "open" and rows
    ]
    if said["open"]:
        parts.append(f"not settled in {len(said['open'])} of {total} ({'; '.join(map(_pair, said['open']))})")
    return f"{shown}: {', '.join(parts)}."


def _pair(row: dict[str, Any]) -> str:
    return f"{row['first']} – {row['second']} {decimal(row['difference'], signed=True)}"
