"""The surface figures of every label, and of groups of labels, of one case."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.boxes import Box, grow_box, join_boxes, joint_boxes
from neurograft.evaluation.overlap.positions import require_distinct, require_label_maps
from neurograft.evaluation.policies import DistancePolicy, EmptyPolicy
from neurograft.evaluation.surfaces.distances import (
    SurfaceDefinition,
    SurfaceDistances,
    require_spacing,
    surface_distances,
)

SurfaceStatus = Literal[
    "ok", "reference-empty", "prediction-empty", "both-empty", "prediction-missing", "partly-annotated"
]

DISTANCE_FIGURES = ("hausdorff_mm", "hd95_max_mm", "hd95_pooled_mm", "assd_pooled_mm", "assd_mean_mm")
"""The figures that are distances: less is better, and undefined where a surface is empty."""

_UNDEFINED = float("nan")


@dataclass(frozen=True)
class SurfaceFigures:
    """Surface figures of one label; NaN for a figure that is undefined. `distances` defines each."""

    definition: SurfaceDefinition
    status: SurfaceStatus
    tolerance_mm: float
    """Of the surface Dice."""
    hausdorff_mm: float = _UNDEFINED
    hd95_max_mm: float = _UNDEFINED
    """Larger of the two directed 95th percentiles."""
    hd95_pooled_mm: float = _UNDEFINED
    """95th percentile of both directed sets taken together."""
    assd_pooled_mm: float = _UNDEFINED
    """Mean over all points of both surfaces."""
    assd_mean_mm: float = _UNDEFINED
    """Mean of the two directed means."""
    surface_dice: float = _UNDEFINED

    @classmethod
    def of_missing_prediction(cls, definition: SurfaceDefinition, tolerance_mm: float) -> Self:
        """Figures of a label whose case has no prediction: surface Dice 0, no distance."""
        return cls(definition, "prediction-missing", tolerance_mm, surface_dice=0.0)

    def under(self, empty: EmptyPolicy, distance: DistancePolicy, diagonal_mm: float) -> Self:
        """The figures with what the policies put in place of undefined ones.

        Args:
            empty: for a label absent from both; ``perfect`` gives distance 0 and surface Dice 1.
            distance: for a label absent from one, or without a prediction; ``diagonal`` gives
                `diagonal_mm` as every distance.
            diagonal_mm: see `image_diagonal_mm`.
        """
        if self.status == "both-empty" and empty == "perfect":
            return replace(self._at(0.0), surface_dice=1.0)
        failed = self.status in ("reference-empty", "prediction-empty", "prediction-missing")
        return self._at(diagonal_mm) if failed and distance == "diagonal" else self

    def to_row(self) -> dict[str, float]:
        """Figures by the column's name, which carries the definition: ``hd95_max_voxel_mm``."""
        distances = {f"{name[:-3]}_{self.definition}_mm": getattr(self, name) for name in DISTANCE_FIGURES}
        return {**distances, f"surface_dice_{self.definition}": self.surface_dice}

    def _at(self, distance_mm: float) -> Self:
        return replace(
            self,
            hausdorff_mm=distance_mm,
            hd95_max_mm=distance_mm,
            hd95_pooled_mm=distance_mm,
            assd_pooled_mm=distance_mm,
            assd_mean_mm=distance_mm,
        )


def surface_figures(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    values: Sequence[int],
    spacing_mm: Sequence[float],
    definitions: Sequence[SurfaceDefinition] = ("voxel", "element"),
    tolerance_mm: float = 1.0,
    groups: Mapping[str, Iterable[int]] | None = None,
    ignore: int | None = None,
    workers: int = 1,
) -> dict[SurfaceDefinition, dict[int | str, SurfaceFigures]]:
    """Surface figures of every label of two label maps.

    Args:
        reference: integer label map, shape ``(X, Y, Z)``.
        prediction: integer label map of the same shape.
        values: distinct label values.
        spacing_mm: voxel size along the three axes.
        definitions: of a surface.
        tolerance_mm: of the surface Dice.
        groups: labels that are also measured as one structure, by the group's name; its inner
            surfaces do not count.
        ignore: value of the reference where nothing is annotated. A label with such a voxel in the box
            around it in both maps, or right beside it, has the status ``partly-annotated`` and no
            figures: nobody knows where its surface lies.
        workers: threads that share the labels.

    Returns:
        By definition, the figures of every value in their order, then of every group.

    Raises:
        ValueError: shapes differ, maps are not of integers or not 3D, the spacing does not fit, a value is
            given twice, a group is empty, or there is no such definition.
    """
    require_label_maps(reference, prediction)
    if reference.ndim != 3:
        raise ValueError(f"label maps must have three axes, got shape {reference.shape}")
    require_spacing(spacing_mm, reference.ndim)
    require_distinct(values)
    structures: dict[int | str, tuple[int, ...]] = {value: (value,) for value in values}
    structures |= {name: tuple(members) for name, members in (groups or {}).items()}
    if empty := [name for name, members in structures.items() if not members]:
        raise ValueError(f"a group must have at least one label, got none in {empty}")
    boxes = joint_boxes(reference, prediction, sorted({value for members in structures.values() for value in members}))
    measure = partial(
        _figures_of, reference, prediction, boxes, tuple(map(float, spacing_mm)), definitions, tolerance_mm, ignore
    )
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            measured = list(pool.map(measure, structures.values()))
    else:
        measured = [measure(members) for members in structures.values()]
    return {
        definition: dict(zip(structures, (figures[place] for figures in measured), strict=True))
        for place, definition in enumerate(definitions)
    }


def image_diagonal_mm(shape: Sequence[int], spacing_mm: Sequence[float]) -> float:
    """Length of the diagonal of an image, from the outer corner of its first voxel to that of its last."""
    return float(np.linalg.norm(np.multiply(shape, spacing_mm)))


def _figures_of(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    boxes: Mapping[int, Box | None],
    spacing_mm: Sequence[float],
    definitions: Sequence[SurfaceDefinition],
    tolerance_mm: float,
    ignore: int | None,
    members: Sequence[int],
) -> list[SurfaceFigures]:
    box = join_boxes([boxes[value] for value in members])
    if box is None:
        return [SurfaceFigures(definition, "both-empty", tolerance_mm) for definition in definitions]
    if ignore is not None and (reference[grow_box(box, reference.shape)] == ignore).any():
        return [SurfaceFigures(definition, "partly-annotated", tolerance_mm) for definition in definitions]
    masks = _mask(reference[box], members), _mask(prediction[box], members)
    return [
        _figures(surface_distances(*masks, spacing_mm, definition), definition, tolerance_mm)
        for definition in definitions
    ]


def _mask(labels: NDArray[Any], members: Sequence[int]) -> NDArray[np.bool_]:
    inside = labels == members[0] if len(members) == 1 else np.isin(labels, members)
    return np.ascontiguousarray(inside)


def _figures(distances: SurfaceDistances, definition: SurfaceDefinition, tolerance_mm: float) -> SurfaceFigures:
    status: SurfaceStatus = "ok"
    if not distances.reference_to_prediction_mm.size:
        status = "reference-empty"
    elif not distances.prediction_to_reference_mm.size:
        status = "prediction-empty"
    return SurfaceFigures(
        definition,
        status,
        tolerance_mm,
        hausdorff_mm=distances.hausdorff_mm,
        hd95_max_mm=distances.hd_percentile_mm(95, "max"),
        hd95_pooled_mm=distances.hd_percentile_mm(95, "pooled"),
        assd_pooled_mm=distances.assd_pooled_mm,
        assd_mean_mm=distances.assd_mean_mm,
        surface_dice=distances.surface_dice(tolerance_mm),
    )
