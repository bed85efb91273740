"""Every figure that a case and label can have: its column, its unit, and what exactly it is.

Where several definitions are in use, each has a column of its own, so that a table says by its
heading which one was used.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "nearer-zero", "none"]


@dataclass(frozen=True)
class Measure:
    """A figure of one label in one case.

    Attributes:
        name: column in tables.
        unit: of the figure; empty for a share.
        better: which way a better segmentation lies.
        meaning: the definition in words.
    """

    name: str
    unit: str
    better: Better
    meaning: str


def _surface_measures() -> tuple[Measure, ...]:
    how = {
        "voxel": "surface: centres of the mask's border voxels",
        "element": "surface: elements between voxels, weighted by their area",
    }
    measures = []
    for definition, words in how.items():
        measures += [
            Measure(f"hausdorff_{definition}_mm", "mm", "lower", f"largest distance between the surfaces; {words}"),
            Measure(
                f"hd95_max_{definition}_mm", "mm", "lower",
                f"larger of the 95th percentiles of the two directed distances; {words}",
            ),
            Measure(
                f"hd95_pooled_{definition}_mm", "mm", "lower",
                f"95th percentile of both directed distances taken together; {words}",
            ),
            Measure(
                f"assd_pooled_{definition}_mm", "mm", "lower",
                f"mean of both directed distances taken together; {words}",
            ),
            Measure(
                f"assd_mean_{definition}_mm", "mm", "lower",
                f"mean of the means of the two directed distances; {words}",
            ),
            Measure(
                f"surface_dice_{definition}", "", "higher",
                f"share of both surfaces within the tolerance of the other; {words}",
            ),
        ]  # fmt: skip
    return tuple(measures)


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("dice", "", "higher", "2 |R and P| / (|R| + |P|)"),
        Measure("iou", "", "higher", "|R and P| / |R or P|, the Jaccard index"),
        Measure("sensitivity", "", "higher", "|R and P| / |R|, also called recall"),
        Measure("precision", "", "higher", "|R and P| / |P|"),
        Measure("volume_similarity", "", "higher", "1 - ||P| - |R|| / (|P| + |R|)"),
        Measure("reference_mm3", "mm³", "none", "volume of the label in the reference"),
        Measure("prediction_mm3", "mm³", "none", "volume of the label in the prediction"),
        Measure("volume_difference_mm3", "mm³", "nearer-zero", "prediction minus reference"),
        Measure("relative_volume_difference", "", "nearer-zero", "prediction minus reference, over the reference"),
        *_surface_measures(),
        Measure("absolute_error", "", "lower", "|prediction - reference| of a number"),
        Measure("dice_slices", "", "higher", "mean over axial slices of the Dice score (P4)"),
        Measure("iou_slices", "", "higher", "mean over axial slices of the IoU; over labels, of their mean (P4)"),
    )
}
"""All measures, in the order of the columns of ``per_case.tsv``."""


def measures_in(columns: object) -> list[Measure]:
    """The measures among some column names, in their fixed order."""
    found = set(columns)  # type: ignore[call-overload]
    return [measure for name, measure in MEASURES.items() if name in found]
