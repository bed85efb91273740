"""What P1 measures of its models: Dice of left, right and both, and the ICC of contrast ratios."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.cohorts import Cohort
from neurograft.imaging.files import read_label_map, write_label_map
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.midline import right_half
from neurograft.imaging.sides import split_side
from neurograft.inference.files import mask_path
from neurograft.reports.number_text import DASH, interval, mean_and_sd
from neurograft.reports.summary_table import Cell, TextTable
from neurograft.reports.table_columns import TableColumn, table_of
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.run import Evaluation, score_files
from neurograft.studies.comparison import ComparisonResult

RATER = "rater 2"
"""The second rater, scored as if a model: what people reach."""

RATIOS = {"icc_max": "contrast ratio, largest", "icc_median": "contrast ratio, median"}
"""Columns of the ICC, with the quantities of an evaluation that they agree on."""

_ARM = ["strategy", "training_subjects"]


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of all models.

    Attributes:
        rows: a row a strategy, number of training people, seed and structure: ``dice`` (mean over cases),
            ``icc_max`` and ``icc_median``, each with ``_low`` and ``_high``, ``n`` and ``n_undefined``.
        cases: Dice of every case behind it.
        structures: names, the whole last.
    """

    rows: pd.DataFrame
    cases: pd.DataFrame
    structures: tuple[str, ...]

    @property
    def whole(self) -> str:
        """The structure of which verdicts speak: both sides, or the only one."""
        return self.structures[-1]


def part_at_midline(predictions: Path, test: Cohort, labels: LabelTable, out: Path) -> None:
    """Write masks of one label that holds both sides as masks of two.

    Args:
        predictions: what a model wrote.
        test: the cases that it segmented.
        labels: names and values to write; one name says left, the other right.
        out: folder for the masks; one that holds its label table already is finished.
    """
    if (out / "labels.tsv").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    value = {split_side(label.name)[1]: label.values[0] for label in labels.labels}
    for case in test.cases:
        mask = read_label_map(predictions / mask_path(test, case))
        sides = np.where(right_half(mask.grid), value["right"], value["left"])
        write_label_map(out / mask_path(test, case), np.where(mask.data != 0, sides, 0).astype(np.uint8), mask.grid)
    labels.to_tsv(out / "labels.tsv")


def measure_protocol(test: Cohort, names: Sequence[str], result: ComparisonResult, second_rater: Path) -> Measured:
    """Score every model's masks, and the second rater's, with contrast ratios.

    Args:
        test: cases with the first rater's drawings.
        names: labels of the cohort that the models learnt as one; two are taken for left and right.
        result: of the comparison.
        second_rater: folder of the other drawings.
    """
    reference = test.select_labels(tuple(names))
    options = ScoringOptions(biomarkers=True)
    scored = {(RATER, DASH, -1): score_files(reference, second_rater, reference.labels, options)}
    for (strategy, people, seed), folder in result.folders.items():
        masks = folder.with_name(f"{folder.name}-predictions")
        if len(names) == 2:
            parted = folder.with_name(f"{folder.name}-sides")
            part_at_midline(masks, test, reference.labels, parted)
            scored[strategy, people, seed] = score_files(reference, parted, options=options)
        else:
            scored[strategy, people, seed] = score_files(reference.select_labels(names), masks, options=options)
    cases = pd.concat([_of_arm(_cases(found), *key) for key, found in scored.items()], ignore_index=True)
    rows = pd.concat([_of_arm(_figures(found), *key) for key, found in scored.items()], ignore_index=True)
    structures = tuple(dict.fromkeys(rows["label"]))
    return Measured(rows[[*_ARM, "seed", *_FIGURES]], cases[[*_ARM, "seed", *_CASE]], structures)


_CASE = ["subject", "case", "label", "dice"]
_FIGURES = ["label", "dice", *(f"{name}{end}" for name in RATIOS for end in ("", "_low", "_high")), "n", "n_undefined"]


def _of_arm(frame: pd.DataFrame, strategy: str, people: str, seed: int) -> pd.DataFrame:
    return frame.assign(strategy=strategy, training_subjects=people, seed=seed)


def _cases(found: Evaluation) -> pd.DataFrame:
    per_case = found.tables.per_case
    return per_case[per_case["kind"].isin(["label", "group"])][_CASE]


def _figures(found: Evaluation) -> pd.DataFrame:
    """A row a structure; an ICC is NaN where no mask has a contrast ratio."""
    rows = []
    agreement = found.tables.agreement
    for label, scores in _cases(found).groupby("label", sort=False):
        row: dict[str, object] = {"label": label, "dice": scores["dice"].mean(), "n": 0, "n_undefined": len(scores)}
        for name, quantity in RATIOS.items():
            said = agreement[(agreement["label"] == label) & (agreement["quantity"] == quantity)]
            for end in ("", "_low", "_high"):
                row[name + end] = float(said[f"icc_2_1{end}"].iloc[0]) if len(said) else np.nan
            if len(said):
                row |= {"n": int(said["n"].iloc[0]), "n_undefined": int(said["n_left_out"].iloc[0])}
        rows.append(row)
    return pd.DataFrame(rows)


def protocol_table(measured: Measured) -> TextTable:
    """A row a strategy and number of people: Dice of every structure, and the ICC of the whole."""
    arms = list(dict.fromkeys(zip(measured.rows["strategy"], measured.rows["training_subjects"], strict=True)))
    columns = [
        TableColumn("Strategy", False, tuple(Cell(strategy, strategy) for strategy, _ in arms)),
        TableColumn("Training people", True, tuple(Cell(people, None) for _, people in arms)),
    ]
    for name in measured.structures:
        cells = tuple(_dice_cell(_of(measured.cases, arm, name)) for arm in arms)
        columns.append(TableColumn(f"Dice of {name}", True, cells))
    for figure, quantity in RATIOS.items():
        cells = tuple(_icc_cell(_of(measured.rows, arm, measured.whole)[figure]) for arm in arms)
        columns.append(TableColumn(f"ICC of {quantity}, {measured.whole}", True, cells))
    undefined = [_of(measured.rows, arm, measured.whole) for arm in arms]
    cells = tuple(
        Cell(f"{rows['n_undefined'].sum()} of {(rows['n'] + rows['n_undefined']).sum()}", None) for rows in undefined
    )
    return table_of([*columns, TableColumn("Masks without a ratio, all seeds", True, cells)])


def _of(frame: pd.DataFrame, arm: tuple[str, str], label: str) -> pd.DataFrame:
    strategy, people = arm
    return frame[(frame["strategy"] == strategy) & (frame["training_subjects"] == people) & (frame["label"] == label)]


def _dice_cell(cases: pd.DataFrame) -> Cell:
    """Mean and SD over test people, each being the mean over seeds."""
    people = cases.groupby("subject")["dice"].mean()
    mean = float(people.mean())
    return Cell(mean_and_sd(mean, float(people.std(ddof=1))), mean if np.isfinite(mean) else None)


def _icc_cell(values: pd.Series) -> Cell:
    known = values.dropna()
    if known.empty:
        return Cell(DASH, None)
    mean = float(known.mean())
    text = mean_and_sd(mean, np.nan)
    if len(values) > 1:
        text += f" ({interval(float(known.min()), float(known.max()))})"
    if len(known) < len(values):
        text += f", {len(known)} of {len(values)} seeds"
    return Cell(text, mean)
