"""Figures of whole label maps: crops, groups, empty labels, policies, and real maps against MONAI."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray

from neurograft.evaluation.surfaces.distances import SurfaceDefinition, surface_distances
from neurograft.evaluation.surfaces.figures import (
    DISTANCE_FIGURES,
    SurfaceFigures,
    image_diagonal_mm,
    surface_figures,
)

SPACING = (0.8, 1.0, 2.2)


def label_maps(order: Any = "C") -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Two maps in which 1 and 2 touch, 3 lies alone, 4 only in the first, 5 only in the second, 6 nowhere."""
    reference = np.zeros((14, 12, 10), dtype=np.int16, order=order)
    reference[2:7, 2:8, 1:6] = 1
    reference[7:11, 2:8, 1:6] = 2
    reference[12:, 9:, 8:] = 3
    prediction = np.roll(reference, 1, axis=1)
    reference[0, 0, 0] = 4
    prediction[0, 11, 9] = 5
    return reference, np.asarray(prediction, order=order)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("workers", [1, 2])
def test_equal_the_figures_of_each_mask_in_the_whole_image(order: str, workers: int) -> None:
    reference, prediction = label_maps(order)
    measured = surface_figures(reference, prediction, [3, 1, 2], SPACING, tolerance_mm=1.5, workers=workers)
    assert list(measured) == ["voxel", "element"]
    for definition, figures in measured.items():
        assert list(figures) == [3, 1, 2]
        for value, ours in figures.items():
            distances = surface_distances(reference == value, prediction == value, SPACING, definition)
            assert ours.status == "ok"
            assert ours.definition == definition
            assert ours.tolerance_mm == 1.5
            assert ours.hausdorff_mm == distances.hausdorff_mm
            assert ours.hd95_max_mm == pytest.approx(distances.hd_percentile_mm(95, "max"))
            assert ours.hd95_pooled_mm == pytest.approx(distances.hd_percentile_mm(95, "pooled"))
            assert ours.assd_pooled_mm == pytest.approx(distances.assd_pooled_mm)
            assert ours.assd_mean_mm == pytest.approx(distances.assd_mean_mm)
            assert ours.surface_dice == pytest.approx(distances.surface_dice(1.5))


@pytest.mark.parametrize("definition", ["voxel", "element"])
def test_a_group_is_one_structure_without_inner_surfaces(definition: SurfaceDefinition) -> None:
    reference, prediction = label_maps()
    prediction[prediction == 1] = 2
    groups = {"both": (1, 2)}
    figures = surface_figures(reference, prediction, [1, 2], SPACING, [definition], groups=groups)[definition]
    assert list(figures) == [1, 2, "both"]
    distances = surface_distances(np.isin(reference, (1, 2)), np.isin(prediction, (1, 2)), SPACING, definition)
    assert figures["both"].assd_pooled_mm == pytest.approx(distances.assd_pooled_mm)
    assert figures["both"].assd_pooled_mm < figures[2].assd_pooled_mm
    assert figures[1].status == "prediction-empty"


def test_empty_labels_have_a_status_and_no_distance() -> None:
    figures = surface_figures(*label_maps(), [4, 5, 6], SPACING)["voxel"]
    assert [one.status for one in figures.values()] == ["prediction-empty", "reference-empty", "both-empty"]
    assert [one.surface_dice for one in figures.values()] == pytest.approx([0, 0, np.nan], nan_ok=True)
    assert all(np.isnan(getattr(one, name)) for one in figures.values() for name in DISTANCE_FIGURES)


def test_policies_fill_what_is_undefined() -> None:
    measured = surface_figures(*label_maps(), [1, 4, 5, 6], SPACING)["element"]
    missing = SurfaceFigures.of_missing_prediction("element", 1.0)
    plain = [*measured.values(), missing]
    left_out = [figures.under("skip", "leave-out", 30.0) for figures in plain]
    assert [repr(figures) for figures in left_out] == [repr(figures) for figures in plain]
    for name in DISTANCE_FIGURES:
        filled = [getattr(figures.under("perfect", "diagonal", 30.0), name) for figures in plain]
        assert filled == [getattr(measured[1], name), 30, 30, 0, 30]
    dice = [figures.under("perfect", "diagonal", 30.0).surface_dice for figures in plain]
    assert dice == [measured[1].surface_dice, 0, 0, 1, 0]


def test_nothing_is_said_where_annotation_is_incomplete() -> None:
    reference, prediction = label_maps()
    reference[4, 4, 7] = -1
    reference[0, 1, 0] = -1
    figures = surface_figures(reference, prediction, [1, 2, 4], SPACING, ["voxel"], ignore=-1)["voxel"]
    # Two voxels above label 1, but right beside label 4.
    assert [one.status for one in figures.values()] == ["ok", "ok", "partly-annotated"]
    reference[4, 4, 6] = -1
    figures = surface_figures(reference, prediction, [1, 2, 4], SPACING, ["voxel"], ignore=-1)["voxel"]
    assert [one.status for one in figures.values()] == ["partly-annotated", "ok", "partly-annotated"]
    assert np.isnan(figures[1].surface_dice)
    assert np.isnan(figures[1].under("perfect", "diagonal", 9.0).hausdorff_mm)


def test_row_names_every_figure_and_its_definition() -> None:
    figures = surface_figures(*label_maps(), [1], SPACING)["element"][1]
    row = figures.to_row()
    assert row["hd95_pooled_element_mm"] == figures.hd95_pooled_mm
    assert list(row) == [
        "hausdorff_element_mm",
        "hd95_max_element_mm",
        "hd95_pooled_element_mm",
        "assd_pooled_element_mm",
        "assd_mean_element_mm",
        "surface_dice_element",
    ]
    assert len(row) == len(fields(SurfaceFigures)) - 3


def test_the_diagonal_is_longer_than_any_distance() -> None:
    corners = np.zeros((3, 4, 5), dtype=np.uint8)
    corners[0, 0, 0] = 1
    others = corners[::-1, ::-1, ::-1]
    assert image_diagonal_mm((3, 4, 12), (1, 1, 1)) == 13
    for figures in surface_figures(corners, others, [1], SPACING).values():
        assert figures[1].hausdorff_mm < image_diagonal_mm(corners.shape, SPACING)


def test_wrong_arguments_are_refused() -> None:
    reference, prediction = label_maps()
    with pytest.raises(ValueError, match="one shape"):
        surface_figures(reference, prediction[1:], [1], SPACING)
    with pytest.raises(ValueError, match="three axes"):
        surface_figures(reference[0], prediction[0], [1], SPACING[1:])
    with pytest.raises(ValueError, match="prediction is of type float64"):
        surface_figures(reference, prediction.astype(float), [1], SPACING)
    with pytest.raises(ValueError, match="3 positive numbers"):
        surface_figures(reference, prediction, [1], (1, 1))
    with pytest.raises(ValueError, match=r"distinct, got \[1, 1\]"):
        surface_figures(reference, prediction, [1, 1], SPACING)
    with pytest.raises(ValueError, match="'none'"):
        surface_figures(reference, prediction, [1], SPACING, groups={"none": ()})


def test_real_maps_equal_monai(shared_data: Path) -> None:
    folder = shared_data / "miccai2012-train" / "derivatives" / "manual"
    labels = [np.asarray(nib.load(file).dataobj) for file in sorted(folder.rglob("*dseg.nii.gz"))[:2]]  # type: ignore[attr-defined]
    # Thalamus of one person against that of another, as they lie on their own grids; an image cut to it is enough.
    values = (59, 60)
    shape = tuple(min(sizes) for sizes in zip(*(one.shape for one in labels), strict=True))
    reference, prediction = (one[tuple(map(slice, shape))] for one in labels)
    places = np.argwhere(np.isin(reference, values) | np.isin(prediction, values))
    box = tuple(slice(low, high + 1) for low, high in zip(places.min(axis=0), places.max(axis=0), strict=True))
    reference, prediction = reference[box], prediction[box]
    spacing = (1.0, 1.2, 0.9)
    ours = surface_figures(reference, prediction, values, spacing, ["voxel"], tolerance_mm=2.0)["voxel"]
    one_hot = [torch.from_numpy(np.stack([one == value for value in values]))[None] for one in (prediction, reference)]
    given: dict[str, Any] = {"include_background": True, "spacing": spacing}
    theirs = {
        "hausdorff_mm": compute_hausdorff_distance(*one_hot, **given),
        "hd95_max_mm": compute_hausdorff_distance(*one_hot, percentile=95, **given),
        "assd_pooled_mm": compute_average_surface_distance(*one_hot, symmetric=True, **given),
        "surface_dice": compute_surface_dice(*one_hot, [2.0, 2.0], **given),
    }
    for name, expected in theirs.items():
        assert [getattr(ours[value], name) for value in values] == pytest.approx(expected[0].tolist(), rel=1e-6)
