"""P2's tables: Dice beside the raters' own, agreement of volume and susceptibility, and what learning took."""

from collections.abc import Mapping

import pandas as pd

from neurograft.demos.nuclei import NUCLEI, RATERS, TRANSFER
from neurograft.demos.nuclei_runs import SECOND_RATER, NucleiResult, steps_to_twin
from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.reports.number_text import DASH, decimal, interval, mean_and_sd
from neurograft.reports.summary_table import Cell, TextTable
from neurograft.reports.table_columns import TableColumn, table_of
from neurograft.scoring.score_rows import LABEL

PAPER: Mapping[str, tuple[str, str, str]] = {
    "transfer": ("0.903 ± 0.023", "0.864 ± 0.033", "0.777 ± 0.066"),
    "scratch": ("0.903 ± 0.023", "0.866 ± 0.030", "0.762 ± 0.073"),
    "transfer without gates": ("0.904 ± 0.020", "0.864 ± 0.035", "0.767 ± 0.079"),
    "rater 2": ("0.891 ± 0.027", "0.845 ± 0.037", "0.783 ± 0.061"),
}
"""Dice of RN, SN and STN against rater 1 that P2 prints, on 15 people."""

QUANTITIES = {"volume": ("volume", "mm³", 1.0), "mean intensity": ("mean susceptibility", "ppb", 1000.0)}
"""Quantities of an evaluation: what they are of these maps, the unit, and the factor to it."""

WORDS = {"rater1": "rater 1", "rater2": "rater 2"}


def nuclei_scores(result: NucleiResult) -> pd.DataFrame:
    """Dice of every method, rater, person and nucleus: the rows of ``per_case.tsv`` with ``method`` and ``rater``."""
    frames = []
    for (method, rater), found in result.evaluations.items():
        rows = found.tables.per_case
        frames.append(rows[rows["kind"] == LABEL].assign(method=method, rater=WORDS[rater]))
    return pd.concat(frames, ignore_index=True)


def nuclei_pairs(result: NucleiResult) -> pd.DataFrame:
    """Volume and mean susceptibility of every method and nucleus beside a rater's, a row a person."""
    frames = []
    for (method, rater), found in result.evaluations.items():
        rows = found.tables.paired
        for quantity, (words, unit, factor) in QUANTITIES.items():
            chosen = rows[(rows["quantity"] == quantity) & rows["label"].isin(NUCLEI)]
            scaled = {side: chosen[side] * factor for side in ("reference", "prediction")}
            frames.append(chosen.assign(quantity=words, unit=unit, method=method, rater=WORDS[rater], **scaled))
    return pd.concat(frames, ignore_index=True)


def nuclei_agreement(result: NucleiResult) -> pd.DataFrame:
    """Agreement of volume and mean susceptibility, a row a method, rater, quantity and nucleus.

    Returns:
        Columns of `neurograft.evaluation.agreement.row.AGREEMENT_COLUMNS` after ``method`` and ``rater``;
        differences and limits of susceptibility are in ppb.
    """
    frames = []
    for (method, rater), found in result.evaluations.items():
        rows = found.tables.agreement
        for theirs, (words, unit, factor) in QUANTITIES.items():
            named = rows["quantity"].str.split(",").str[0] == theirs
            chosen = rows[named & rows["label"].isin(NUCLEI)].copy()
            chosen[_IN_UNITS] = chosen[_IN_UNITS].astype(float) * factor
            chosen["quantity"] = f"{words}, {unit}"
            chosen.insert(0, "rater", WORDS[rater])
            chosen.insert(0, "method", method)
            frames.append(chosen)
    return pd.concat(frames, ignore_index=True)


_IN_UNITS = [
    "mean_first", "mean_second", "bias", "bias_low", "bias_high", "difference_sd", "loa_lower", "loa_lower_low",
    "loa_lower_high", "loa_upper", "loa_upper_low", "loa_upper_high", "within_sd", "smallest_detectable_change",
    "smallest_detectable_group_change",
]  # fmt: skip


def nuclei_verdicts(scores: pd.DataFrame) -> pd.DataFrame:
    """Transfer against every other method and against the second rater, by Dice with the first, a nucleus a family.

    Returns:
        Rows of `neurograft.evaluation.comparison.compare.compare_methods`.
    """
    frames = []
    for nucleus in NUCLEI:
        rows = scores[(scores["label"] == nucleus) & (scores["rater"] == WORDS[RATERS[0]])]
        frame = rows.assign(value=rows["dice"])[["subject", "case", "method", "value"]]
        frames.append(compare_methods(frame, "dice", nucleus, reference=TRANSFER))
    return pd.concat(frames, ignore_index=True)


def dice_table(scores: pd.DataFrame) -> TextTable:
    """A row a method: Dice of each nucleus with either rater, and what P2 prints."""
    methods = list(dict.fromkeys(scores["method"]))
    texts = [("Method", False, methods)]
    for rater in WORDS.values():
        for nucleus in NUCLEI:
            cells = [_mean_and_sd(scores, method, rater, nucleus) for method in methods]
            texts.append((f"{nucleus}, {rater}", True, cells))
    people = scores.groupby("method")["subject"].nunique()
    texts.append(("Test people", True, [str(people[method]) for method in methods]))
    for place, nucleus in enumerate(NUCLEI):
        texts.append((f"P2's {nucleus}", True, [PAPER[method][place] for method in methods]))
    return _table(texts)


def _mean_and_sd(scores: pd.DataFrame, method: str, rater: str, nucleus: str) -> str:
    rows = scores[(scores["method"] == method) & (scores["rater"] == rater) & (scores["label"] == nucleus)]
    return mean_and_sd(float(rows["dice"].mean()), float(rows["dice"].std(ddof=1))) if len(rows) else DASH


def agreement_text(agreement: pd.DataFrame) -> TextTable:
    """A row a quantity, nucleus, method and rater: Pearson's r, bias and Bland-Altman limits."""
    records = agreement.sort_values(
        ["quantity", "label"], key=lambda column: column.map({name: i for i, name in enumerate(NUCLEI)}.get)
        if column.name == "label" else column, kind="stable",
    ).to_dict("records")  # fmt: skip
    pearson = [f"{decimal(row['pearson'])} ({interval(row['pearson_low'], row['pearson_high'])})" for row in records]
    return _table(
        [
            ("Quantity", False, [str(row["quantity"]) for row in records]),
            ("Nucleus", False, [str(row["label"]) for row in records]),
            ("Method", False, [str(row["method"]) for row in records]),
            ("Against", False, [str(row["rater"]) for row in records]),
            ("Pearson's r (95 %)", True, pearson),
            ("Bias", True, [decimal(row["bias"], 1, signed=True) for row in records]),
            ("Limits of agreement", True, [_limits(row["loa_lower"], row["loa_upper"]) for row in records]),
            ("People", True, [str(row["n_subjects"]) for row in records]),
        ]
    )


def _limits(low: float, high: float) -> str:
    return interval(low, high, signed=True, digits=1)


def learning_table(result: NucleiResult) -> TextTable:
    """A row a method: steps and seconds of its source and of a fold, and how soon it is as good as from scratch."""
    steps = {str(row["method"]): row for row in steps_to_twin(result.curves).to_dict("records")}
    rows = []
    for method, models in result.models.groupby("method", sort=False):
        folds, source = models[models["fold"] >= 0], models[models["fold"] < 0]
        reached = steps[str(method)]
        copied = f"{folds['tensors_copied'].iloc[0]:.0f}" if "tensors_copied" in folds and len(source) else DASH
        rows.append(
            (
                str(method),
                f"{source['seconds'].iloc[0]:.0f}" if len(source) else DASH,
                copied,
                f"{folds['steps'].mean():.0f}",
                f"{folds['seconds'].mean():.0f}",
                f"{reached['folds']} of {len(folds)}",
                decimal(reached["steps"], 0),
            )
        )
    headings = (
        "Method", "Source, s", "Tensors copied", "Steps a fold", "A fold, s", "Folds that reach scratch's best",
        "Steps to it, mean",
    )  # fmt: skip
    return _table(
        [
            (heading, place > 0, [row[place] for row in rows])
            for place, heading in enumerate(headings)
        ]
    )  # fmt: skip


def nuclei_sentences(scores: pd.DataFrame, agreement: pd.DataFrame, verdicts: pd.DataFrame) -> list[str]:
    """What was found: Dice beside the raters' own, susceptibility, then every verdict."""
    sentences = []
    for nucleus in NUCLEI:
        ours = _mean_and_sd(scores, TRANSFER, "rater 1", nucleus)
        people = _mean_and_sd(scores, SECOND_RATER, "rater 1", nucleus)
        sentences.append(
            f"{nucleus}: Dice of {TRANSFER} (folds averaged) with rater 1 is {ours}; the raters' own is {people}."
        )
    own = agreement[(agreement["method"] == TRANSFER) & agreement["quantity"].str.startswith("mean susceptibility")]
    for rater, rows in own.groupby("rater", sort=False):
        parts = [
            f"{row['label']} r = {decimal(row['pearson'])}, bias {decimal(row['bias'], 1, signed=True)} ppb, limits "
            f"{_limits(row['loa_lower'], row['loa_upper'])}"
            for row in rows.to_dict("records")
        ]
        sentences.append(f"Mean susceptibility of {TRANSFER} against {rater}: {'; '.join(parts)}.")
    return [*sentences, *map(str, verdicts["verdict"])]


def _table(texts: list[tuple[str, bool, list[str]]]) -> TextTable:
    columns = [
        TableColumn(heading, numeric, tuple(Cell(text, None) for text in cells)) for heading, numeric, cells in texts
    ]
    return table_of(columns)
