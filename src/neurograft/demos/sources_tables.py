"""P4's tables: every source by every target, lesions found, and what was copied of each source into each target."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurograft.demos.sources import DOMAINS, IMAGENET, OWN_SOURCES, RANDOM, RANDOM_WIDE, STAND_IN
from neurograft.demos.sources_runs import SourcesResult
from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.reports.number_text import DASH, counted, decimal, mean_and_sd
from neurograft.reports.summary_table import Cell, TextTable
from neurograft.reports.table_columns import TableColumn, table_of
from neurograft.scoring.score_rows import MEAN

LESION = "lesion"
NO_FILE = "no file given"

PAPER: Mapping[str, tuple[str, str]] = {
    "MRI, segmentation": ("0.62", "0.16"),
    "MRI, autoencoding": ("0.58", "0.12"),
    "MRI, classification": ("0.59", "0.14"),
    "pictures, segmentation": ("0.56", "0.14"),
    "pictures, autoencoding": ("0.57", "0.16"),
    "pictures, classification": ("0.55", "0.13"),
    IMAGENET: ("0.52", "0.17"),
    STAND_IN: ("0.52", "0.17"),
}
"""What P4 prints: mIoU of anatomy from 15 people, and Dice of multiple sclerosis on T1-weighted scans from 20;
beside the stand-in what ImageNet's weights gave."""


def headline_scores(result: SourcesResult) -> pd.DataFrame:
    """The row of each case that verdicts are of: the mean of structures, or the lesions."""
    return result.scores[result.scores["label"].isin([MEAN, LESION])]


def sources_summary(result: SourcesResult) -> pd.DataFrame:
    """A row a source, target and number of people; figures are means over test people, of their means over draws.

    Returns:
        Columns source, target, people, draws, n_subjects, dice, dice_sd, iou, iou_sd, dice_slices, iou_slices,
        found_0ml, found_1ml (share of lesions that are touched), precision (of predicted lesions), seconds,
        source_seconds.
    """
    rows = []
    for (source, target, people), scores in headline_scores(result).groupby(KEY, sort=False):
        whose = str(source), str(target), int(str(people))
        of_person = scores.groupby("subject")[["dice", "iou", "dice_slices", "iou_slices"]].mean()
        rows.append(
            {
                "source": source,
                "target": target,
                "people": people,
                "draws": scores["draw"].nunique(),
                "n_subjects": len(of_person),
                "dice": of_person["dice"].mean(),
                "dice_sd": of_person["dice"].std(),
                "iou": of_person["iou"].mean(),
                "iou_sd": of_person["iou"].std(),
                "dice_slices": of_person["dice_slices"].mean(),
                "iou_slices": of_person["iou_slices"].mean(),
                **_lesions_found(result, *whose),
                **_seconds(result, *whose),
            }
        )
    return pd.DataFrame(rows)


KEY = ["source", "target", "people"]


def _of(frame: pd.DataFrame, source: str, target: str, people: int) -> pd.DataFrame:
    return frame[(frame["source"] == source) & (frame["target"] == target) & (frame["people"] == people)]


def _lesions_found(result: SourcesResult, source: str, target: str, people: int) -> dict[str, float]:
    """Shares of lesions of 26 neighbours that are touched, and of predicted ones that are true."""
    rows = _of(result.detection, source, target, people)
    rows = rows[(rows["connectivity"].astype(str) == "26") & (rows["overlap_cutoff"] == 0)]
    every = _of(result.lesions, source, target, people)
    every = every[every["size"] == "all"]
    found = {f"found_{ml}ml": rows.loc[rows["minimum_volume_ml"] == ml, "accuracy"].mean() for ml in (0, 1)}
    return {**found, "precision": every["precision"].mean()}


def _seconds(result: SourcesResult, source: str, target: str, people: int) -> dict[str, float]:
    own = result.models[(result.models["source"] == source) & (result.models["target"] == "source")]
    return {
        "seconds": _of(result.models, source, target, people)["seconds"].mean(),
        "source_seconds": own["seconds"].mean(),
    }


def sources_table(summary: pd.DataFrame) -> TextTable:
    """A row a source: Dice and mIoU of every target, by volume and by slice, lesions found, and seconds.

    Sources that were not run, for want of a file, have a row that says so.
    """
    run = list(dict.fromkeys(summary["source"]))
    names = [name for name in run if not name.startswith(RANDOM)]
    names += [] if {IMAGENET, STAND_IN} & set(run) else [IMAGENET]
    names += [name for name in run if name.startswith(RANDOM)]
    records: dict[tuple[str, str, int], dict[str, Any]] = {}
    for record in summary.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        records[row["source"], row["target"], row["people"]] = row
    targets = list(dict.fromkeys((target, people) for _, target, people in records))
    texts = [("Source", False, [name if name in run else f"{name} ({NO_FILE})" for name in names])]
    for target, people in targets:
        rows = [records.get((name, target, people)) for name in names]
        where = f"{target}, {people} people"
        texts.append((f"Dice, {where}", True, [_pair(row, "dice") for row in rows]))
        if target == "anatomy":
            texts.append((f"mIoU, {where}", True, [_pair(row, "iou") for row in rows]))
            texts.append((f"mIoU of slices, {where}", True, [_one(row, "iou_slices") for row in rows]))
        else:
            texts.append((f"Dice of slices, {where}", True, [_one(row, "dice_slices") for row in rows]))
            texts.append(("Lesions touched", True, [_one(row, "found_0ml") for row in rows]))
            texts.append(("of 1 ml or more", True, [_one(row, "found_1ml") for row in rows]))
            texts.append(("Predicted lesions that are true", True, [_one(row, "precision") for row in rows]))
        texts.append((f"Test people, {where}", True, [_one(row, "n_subjects", 0) for row in rows]))
        texts.append((f"Seconds, {where}", True, [_one(row, "seconds", 0) for row in rows]))
    first = [next((row for key, row in records.items() if key[0] == name), None) for name in names]
    texts.append(("Seconds of the source", True, [_one(row, "source_seconds", 0) for row in first]))
    for place, words in enumerate(("P4's mIoU, anatomy", "P4's Dice, sclerosis")):
        texts.append((words, True, [PAPER[name][place] if name in PAPER else DASH for name in names]))
    return _table(texts)


def _pair(row: Mapping[str, Any] | None, name: str) -> str:
    return DASH if row is None else mean_and_sd(row[name], row[f"{name}_sd"])


def _one(row: Mapping[str, Any] | None, name: str, digits: int = 3) -> str:
    return DASH if row is None else decimal(row[name], digits)


def loading_table(result: SourcesResult) -> TextTable:
    """A row a source and target: tensors by what was done with them, and what became of the first convolution."""
    loading = result.loading[result.loading["target"].notna()]
    texts: list[list[str]] = []
    for (source, target), rows in loading.groupby(["source", "target"], sort=False):
        # All sizes, draws and parts of a target load alike.
        rows = rows[(rows[["people", "draw", "part"]] == rows[["people", "draw", "part"]].iloc[0]).all(axis=1)]
        counts = rows["action"].value_counts()
        units = list(dict.fromkeys(rows.loc[rows["action"].isin(["copied", "adapted"]), "unit"]))
        stem = rows[(rows["unit"] == "stem") & (rows["action"] == "adapted")]
        texts.append(
            [
                str(source),
                str(target),
                *(str(int(counts.get(action, 0))) for action in ("copied", "adapted", "reset", "skipped")),
                ", ".join(units) or DASH,
                str(stem["why"].iloc[0]) if len(stem) else DASH,
            ]
        )
    headings = (
        "Source",
        "Target",
        "Copied",
        "Adapted",
        "Reset",
        "Skipped",
        "Units that come from it",
        "First convolution",
    )
    return _table([(heading, 2 <= place <= 5, [row[place] for row in texts]) for place, heading in enumerate(headings)])


def sources_verdicts(result: SourcesResult) -> pd.DataFrame:
    """Every source against the random start of its width, a target and number of people a family, by Dice.

    Returns:
        Rows of `neurograft.evaluation.comparison.compare.compare_methods` with ``target`` and ``people``.
    """
    frames = []
    for (target, people), rows in headline_scores(result).groupby(["target", "people"], sort=False):
        wide = rows["source"].isin([IMAGENET, STAND_IN, RANDOM_WIDE])
        for chosen, twin in ((rows[~wide], RANDOM), (rows[wide], RANDOM_WIDE)):
            if twin not in set(chosen["source"]):
                chosen, twin = rows[rows["source"].isin([IMAGENET, RANDOM])], RANDOM
            if chosen["source"].nunique() < 2:
                continue
            frame = chosen.rename(columns={"source": "method", "dice": "value", "draw": "seed"})
            frame = frame[["subject", "case", "seed", "method", "value"]]
            size = int(str(people))
            label = f"{target}, {counted(size, 'person', 'people')}"
            found = compare_methods(frame, "dice", label, reference=twin)
            frames.append(found.assign(target=str(target), people=size))
    return pd.concat(frames, ignore_index=True)


def sources_sentences(summary: pd.DataFrame, verdicts: pd.DataFrame) -> list[str]:
    """The best source of each target, both domains' means, then every verdict."""
    sentences = []
    for (target, people), rows in summary.groupby(["target", "people"], sort=False):
        best = rows.sort_values("dice").iloc[-1]
        start = rows[rows["source"] == RANDOM]
        where = f"{target}, {counted(int(str(people)), 'person', 'people')}"
        means = [
            f"{domain} {decimal(float(rows.loc[rows['source'].isin(_of_domain(domain)), 'dice'].mean()))}"
            for domain in DOMAINS
        ]
        sentences.append(
            f"{where}: the highest Dice is {decimal(best['dice'])}, from {best['source']}; a random start has "
            f"{decimal(float(start['dice'].iloc[0])) if len(start) else DASH}; mean of three sources: "
            f"{', '.join(means)}."
        )
    better = verdicts[verdicts["verdict"].str.contains(" is better than ")]
    sentences.append(f"Sources shown to be better than a random start: {len(better)} of {len(verdicts)} comparisons.")
    return [*sentences, *map(str, verdicts["verdict"])]


def _of_domain(domain: str) -> list[str]:
    return [model.name for model in OWN_SOURCES if model.domain == domain]


def lesion_text(result: SourcesResult) -> TextTable:
    """P4's accuracies: a row a source, a column a smallest volume and share that must be covered."""
    rows = result.detection[result.detection["connectivity"].astype(str) == "26"]
    names = list(dict.fromkeys(rows["source"]))
    texts = [("Source", False, names)]
    for (cutoff, volume), chosen in rows.groupby(["overlap_cutoff", "minimum_volume_ml"], sort=False):
        of = chosen.groupby("source")[["n_detected", "n_lesions"]].sum()
        cells = [f"{of.loc[name, 'n_detected']} of {of.loc[name, 'n_lesions']}" for name in names]
        words = f"{float(str(volume)):g} ml or more, over {100 * float(str(cutoff)):g} % covered"
        texts.append((words, True, cells))
    every = result.lesions[result.lesions["size"] == "all"].groupby("source")
    for figure in ("precision", "f1"):
        means = every[figure].mean()
        texts.append((figure if figure == "precision" else "F1", True, [_finite(means.get(name)) for name in names]))
    return _table(texts)


def _finite(value: float | None) -> str:
    return decimal(np.nan if value is None else float(value))


def _table(texts: list[tuple[str, bool, list[str]]]) -> TextTable:
    columns = [
        TableColumn(heading, numeric, tuple(Cell(text, None) for text in cells)) for heading, numeric, cells in texts
    ]
    return table_of(columns)
