"""What the columns of an evaluation are called on a page, and which of them come first."""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from neurograft.evaluation.measures import MEASURES, Better


@dataclass(frozen=True)
class ShownMeasure:
    """A column as a page names it.

    Args:
        column: its name in tables.
        heading: its name on a page, without its unit.
        definition: in few words, which of several definitions it is; empty where there is only one.
        unit: empty for a share.
        better: which way a better segmentation lies.
    """

    column: str
    heading: str
    definition: str = ""
    unit: str = ""
    better: Better = "none"

    @property
    def with_unit(self) -> str:
        """Such as ``HD95, mm``."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading

    @property
    def in_full(self) -> str:
        """Such as ``HD95, mm (pooled, voxel boundary)``."""
        return f"{self.with_unit} ({self.definition})" if self.definition else self.with_unit

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return self.better == "higher" and not self.unit


_HEADINGS = {
    "dice": ("Dice", ""),
    "iou": ("IoU", ""),
    "volume_difference_mm3": ("Volume difference", "prediction − reference"),
    "volume_difference_relative": ("Volume difference, relative", "over the reference"),
    "reference_mm3": ("Reference", ""),
    "prediction_mm3": ("Prediction", ""),
    "dice_slices": ("Dice of slices", "mean over axial slices"),
    "iou_slices": ("IoU of slices", "mean over axial slices"),
    "n_subjects": ("Subjects", ""),
    "n_left_out": ("Left out", ""),
    "loa_lower": ("Lower limit", ""),
    "loa_upper": ("Upper limit", ""),
    "loa_intervals": ("Limits’ intervals", ""),
    "percent_bias": ("Bias, %", ""),
    "percent_loa_lower": ("Lower limit, %", ""),
    "percent_loa_upper": ("Upper limit, %", ""),
    "within_sd": ("Within-subject SD", ""),
    "within_cv_percent": ("Within-subject CV, %", ""),
    "proportional_p": ("p, proportional bias", ""),
    "heteroscedastic_p": ("p, heteroscedastic", ""),
    "p_t": ("p, paired t", ""),
    "p_wilcoxon": ("p, Wilcoxon", ""),
    "p_sign_flip": ("p, sign flip", ""),
    "p_corrected": ("p, corrected", ""),
    "d_z": ("d_z", ""),
}
_ON_SURFACES = {
    "hausdorff": ("Hausdorff distance", ""),
    "hd95_max": ("HD95", "larger direction"),
    "hd95_pooled": ("HD95", "directions pooled"),
    "assd_pooled": ("Average surface distance", "directions pooled"),
    "assd_mean": ("Average surface distance", "mean of directions"),
    "surface_dice": ("Surface Dice", ""),
}
_SURFACES = {"voxel": "voxel boundary", "element": "surface elements"}

_LEADING: tuple[tuple[str, ...], ...] = (
    ("dice",),
    ("hd95_max_voxel_mm", "hd95_max_element_mm", "hd95_pooled_voxel_mm", "hd95_pooled_element_mm"),
    ("assd_pooled_voxel_mm", "assd_pooled_element_mm", "assd_mean_voxel_mm", "assd_mean_element_mm"),
    ("surface_dice_voxel", "surface_dice_element"),
    ("volume_difference_mm3",),
)
"""Of each kind of measure, its definitions; a page begins with the first that is there."""

_VOLUMES = ("reference_mm3", "prediction_mm3")

_UNITS = (("_mm3", "mm³"), ("_mm2", "mm²"), ("_mm", "mm"), ("_ml", "mL"), ("_seconds", "s"))
_AS_WRITTEN = {
    "icc": "ICC", "ccc": "CCC", "sd": "SD", "cv": "CV", "sem": "SEM", "sdc": "SDC", "iou": "IoU", "n": "n", "p": "p",
    "t": "t", "d": "d", "z": "z", "df": "df", "f": "F", "hedges": "Hedges’", "wilcoxon": "Wilcoxon", "lin": "Lin’s",
    "pearson": "Pearson", "spearman": "Spearman", "bland": "Bland", "altman": "Altman", "mse": "MSE", "rmse": "RMSE",
    "mae": "MAE", "r2": "R²", "f1": "F1",
}  # fmt: skip


def measure_of(column: str) -> ShownMeasure:
    """What a column is called; for one that is no measure of segmentations, its own name as words."""
    heading, definition = _HEADINGS.get(column, (None, ""))
    surface = re.fullmatch(rf"({'|'.join(_ON_SURFACES)})_({'|'.join(_SURFACES)})(_mm)?", column)
    if surface:
        heading, definition = _ON_SURFACES[surface.group(1)]
        definition = ", ".join(filter(None, (definition, _SURFACES[surface.group(2)])))
    if column in MEASURES:
        known = MEASURES[column]
        return ShownMeasure(column, heading or heading_of(column), definition, known.unit, known.better)
    bare, unit = column, ""
    for ending, sign in _UNITS:
        if column.endswith(ending):
            bare, unit = column.removesuffix(ending), sign
            break
    return ShownMeasure(column, heading or heading_of(bare), definition, unit)


def heading_of(name: str) -> str:
    """A column's name as words, the first with a capital."""
    if form := re.fullmatch(r"icc_([123])_([1k])", name):
        return f"ICC({form.group(1)},{form.group(2)})"
    words = [_AS_WRITTEN.get(word, word) for word in name.strip("_").split("_")]
    if words[0] not in _AS_WRITTEN.values():
        words[0] = words[0][:1].upper() + words[0][1:]
    return " ".join(filter(None, words))


def leading_measures(columns: Iterable[Hashable]) -> list[ShownMeasure]:
    """The measures to show first: of each kind the first definition that is there."""
    there = set(columns)
    firsts = (next((name for name in names if name in there), None) for names in _LEADING)
    return [measure_of(name) for name in firsts if name is not None]


def further_measures(columns: Iterable[Hashable]) -> list[ShownMeasure]:
    """Measures that are there and do not lead; the volumes themselves do not tell a good segmentation."""
    there = set(columns)
    leading = {measure.column for measure in leading_measures(there)}
    return [measure_of(name) for name in MEASURES if name in there and name not in leading and name not in _VOLUMES]
