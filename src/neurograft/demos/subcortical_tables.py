"""The sub-cortical ladder in tables: means over structures beside the paper's, every structure, and verdicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from neurograft.demos.subcortical_runs import LadderResult
from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.reports.number_text import counted, decimal, mean_and_sd
from neurograft.reports.summary_table import Cell, TextTable
from neurograft.reports.table_columns import TableColumn, table_of
from neurograft.scoring.score_rows import BY_SQUARED_VOLUME, BY_VOLUME, LABEL, MEAN

PAPER: Mapping[tuple[str, int], tuple[float, float]] = {
    ("none", 0): (0.608, 0.474),
    ("transfer", 1): (0.834, 0.754),
    ("transfer", 2): (0.842, 0.766),
    ("transfer", 3): (0.851, 0.783),
    ("transfer", 5): (0.857, 0.791),
    ("transfer", 7): (0.860, 0.792),
    ("standardised, none", 0): (0.787, np.nan),
    ("standardised, transfer", 7): (0.842, np.nan),
    ("standardised, mixed", 1): (0.806, np.nan),
}
"""Mean Dice and weighted mean (1/V²) that P5 prints for MICCAI 2012, on its 20 test scans, from IBSR."""

PAPER_WORDS = "Kushibar et al. 2019: source IBSR (18 real scans), tested on the 20 official test scans"

ROW = ["network", "way", "people"]


def ladder_summary(result: LadderResult) -> pd.DataFrame:
    """A row a network, way and number of people.

    Returns:
        Columns network, way, people, n_subjects, seeds, dice, dice_sd (over people, of their means over structures
        and seeds), dice_by_squared_volume, dice_by_volume, paper_dice, paper_by_squared_volume, swaps, steps, seconds.
    """
    rows = []
    models = result.models.set_index(ROW).sort_index()
    for key in result.scores[ROW].drop_duplicates().itertuples(index=False):
        network, way, people = str(key.network), str(key.way), int(str(key.people))
        scores = result.scores.set_index(ROW).sort_index().loc[[(network, way, people)]]
        of_case = scores[scores["kind"] == "mean"].groupby(["label", "subject"])["dice"].mean()
        found = {name: of_case[name] for name in (MEAN, BY_SQUARED_VOLUME, BY_VOLUME)}
        trained = models.loc[[(network, way, people)]]
        paper = PAPER.get((way, people), (np.nan, np.nan))
        rows.append(
            {
                "network": network,
                "way": way,
                "people": people,
                "n_subjects": len(found[MEAN]),
                "seeds": scores["seed"].nunique(),
                "dice": found[MEAN].mean(),
                "dice_sd": found[MEAN].std(),
                "dice_by_squared_volume": found[BY_SQUARED_VOLUME].mean(),
                "dice_by_volume": found[BY_VOLUME].mean(),
                "paper_dice": paper[0],
                "paper_by_squared_volume": paper[1],
                "swaps": int(trained["swaps"].sum()),
                "steps": float(trained["steps"].mean()),
                "seconds": float(trained["seconds"].mean()),
            }
        )
    return pd.DataFrame(rows)


def ladder_table(summary: pd.DataFrame) -> TextTable:
    """The summary as a page and a terminal show it."""
    records = summary.to_dict("records")
    texts = [
        ("Network", False, [str(row["network"]) for row in records]),
        ("Way", False, [str(row["way"]) for row in records]),
        ("People", True, [str(row["people"]) for row in records]),
        ("Dice of 14 structures, mean ± SD", True, [mean_and_sd(row["dice"], row["dice_sd"]) for row in records]),
        ("Weighted by 1/V²", True, [decimal(row["dice_by_squared_volume"]) for row in records]),
        ("Weighted by 1/V", True, [decimal(row["dice_by_volume"]) for row in records]),
        ("P5's Dice", True, [decimal(row["paper_dice"]) for row in records]),
        ("P5's, 1/V²", True, [decimal(row["paper_by_squared_volume"]) for row in records]),
        ("Sides swapped", True, [str(row["swaps"]) for row in records]),
        ("Test people", True, [str(row["n_subjects"]) for row in records]),
        ("Seconds of training", True, [f"{row['seconds']:.0f}" for row in records]),
    ]
    return _table(texts)


def structure_table(result: LadderResult) -> TextTable:
    """Every structure by itself, in the paper's form: a column a model, mean ± SD over people."""
    labels = result.scores[result.scores["kind"] == LABEL]
    structures = list(dict.fromkeys(labels["label"]))
    texts: list[tuple[str, bool, list[str]]] = [("Structure", False, structures)]
    for key, rows in labels.groupby(ROW, sort=False):
        network, way, people = key
        of_person = rows.groupby(["label", "subject"])["dice"].mean()
        means, spreads = of_person.groupby("label").mean(), of_person.groupby("label").std()
        cells = [mean_and_sd(float(means[name]), float(spreads[name])) for name in structures]
        texts.append((f"{network}: {way}, {people}", True, cells))
    return _table(texts)


def ladder_verdicts(result: LadderResult) -> pd.DataFrame:
    """At each number of people: transfer against everything else of its network, and against that of other networks.

    Returns:
        Rows of `neurograft.evaluation.comparison.compare.compare_methods`, with Wilcoxon's p beside the sign
        flips', and ``people``; p is corrected over the comparisons of one network and number of people.
    """
    means = result.scores[result.scores["label"] == MEAN]
    sizes = sorted(set(means.loc[means["way"] == "transfer", "people"]))
    found = []
    for people in sizes:
        at_size = means[means["people"].isin([0, people])]
        networks = list(dict.fromkeys(at_size["network"]))
        for network in networks:
            own = at_size["network"] == network
            # A pair of networks is compared once, where the second of them stands.
            before = at_size["network"].isin(networks[: networks.index(network)])
            chosen = at_size[own | (before & (at_size["way"] == "transfer"))]
            method = chosen["network"] + ", " + chosen["way"]
            frame = chosen.assign(method=method, value=chosen["dice"])
            columns = ["subject", "case", "seed", "method", "value"]
            reference = f"{network}, transfer"
            if reference not in set(method):
                continue
            if frame["method"].nunique() < 2:
                continue
            label = f"all structures, {counted(people, 'person', 'people')}"
            compared = compare_methods(frame[columns], "dice", label, reference=reference)
            found.append(compared.assign(people=people))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame({"verdict": []})


def ladder_sentences(summary: pd.DataFrame, verdicts: pd.DataFrame) -> list[str]:
    """What was found, the paper's row first; whether it is reached says nothing where test sets differ."""
    sentences = []
    ways = "transfer" if summary["way"].eq("transfer").any() else "none"
    for row in summary[summary["way"].eq(ways)].to_dict("records"):
        with_people = f"transfer with {counted(row['people'], 'person', 'people')}" if row["people"] else "as it is"
        where = f"{row['network']}, {with_people}"
        text = f"{where}: mean Dice {decimal(row['dice'])}, weighted by 1/V² {decimal(row['dice_by_squared_volume'])}"
        if np.isfinite(row["paper_dice"]):
            place = "above" if row["dice"] > row["paper_dice"] else "not above"
            text += f"; {place} P5's {decimal(row['paper_dice'])} and {decimal(row['paper_by_squared_volume'])}"
        sentences.append(f"{text}.")
    swapped = int(summary["swaps"].sum())
    sentences.append(f"Pairs of sides that changed places in a scan, over all models: {swapped}.")
    return [*sentences, *map(str, verdicts["verdict"])]


def seconds_table(result: LadderResult, registration_seconds: tuple[float, ...]) -> TextTable:
    """Seconds a scan, beside the paper's."""
    registration = float(np.mean(registration_seconds)) if registration_seconds else float("nan")
    records = result.seconds.to_dict("records")
    names = [str(row["network"]) for row in records]
    network = [decimal(row["network_seconds"], 1) for row in records]
    after = [decimal(row["postprocessing_seconds"], 2) for row in records]
    return _table(
        [
            ("Network", False, [*names, "P5 (GPU, NiftyReg)"]),
            ("Registration, s", True, [*[decimal(registration, 1)] * len(names), "222"]),
            ("Network, s", True, [*network, "78, with post-processing"]),
            ("Post-processing, s", True, [*after, "–"]),
        ]
    )


def _table(texts: list[tuple[str, bool, list[str]]]) -> TextTable:
    columns = [
        TableColumn(heading, numeric, tuple(Cell(text, None) for text in cells)) for heading, numeric, cells in texts
    ]
    return table_of(columns)
