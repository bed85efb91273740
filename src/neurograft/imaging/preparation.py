"""From a subject's files to the array that a network sees, and from its answer back to the file's grid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.cropping import Box, crop, middle_box, nonzero_box, paste
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.normalisation import percentile_minmax, zscore
from neurograft.imaging.orientation import reorient, restore_orientation
from neurograft.imaging.resampling import Interpolation, resample_to_grid, resample_to_spacing, spaced_grid
from neurograft.imaging.spaces import placed_in_template, strip_brain, template_grid
from neurograft.imaging.standardisation import standardise
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import PreparationConfig

_SAME_SPACING_MM = 1e-3
"""Voxel sizes this close are not resampled: headers round, and every resampling blurs."""


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A network's input and the way back.

    Args:
        data: float32 (C, D, H, W).
        grid: where `data` lie.
        source_grid: that of the files.
        oriented_grid: the source grid with its axes turned, before any resampling.
        full_grid: the turned and resampled grid, before the crop.
        box: the part of `full_grid` that `data` show.
        space_grid: the source grid as it lies in the space that was registered to; ``None`` in the scan's own.
        doubt: what speaks against that registration; empty where nothing does.
    """

    data: np.ndarray
    grid: Grid
    source_grid: Grid
    oriented_grid: Grid
    full_grid: Grid
    box: Box
    space_grid: Grid | None = None
    doubt: str = ""

    @property
    def placed_grid(self) -> Grid:
        """Where the file's voxels lie in the space of the prepared image."""
        return self.source_grid if self.space_grid is None else self.space_grid

    @property
    def is_resampled(self) -> bool:
        """Whether the voxels are others than the file's."""
        return self.full_grid is not self.oriented_grid


def prepare_image(volumes: Sequence[Volume], config: PreparationConfig, mask: Volume | None = None) -> PreparedImage:
    """Turn, resample, mask, crop and normalise the channels of an image.

    With a mask, voxels outside it become zero before the crop to non-zero voxels is found and
    before intensities are normalised; under ``crop: mask`` it only says what to cut out. What
    ``brain`` takes away is zero from the start.

    Args:
        volumes: one per channel, all on one grid; brain and template are sought in the first.
        config: the steps and their options.
        mask: non-zero where voxels count, on the same grid.

    Raises:
        InputError: channels or mask on different grids, voxels that are NaN or infinite, an
            empty mask, or none under ``crop: mask`` or ``brain: mask``; no brain found, or no way
            to the template.
    """
    if not volumes:
        raise ValueError("an image needs at least one channel")
    if config.crop == "mask" and mask is None:
        raise InputError(
            "preparation.crop is mask, and this case has none",
            "Name its region of interest in the column mask of a cohort table",
            volumes[0].path,
        )
    source_grid = volumes[0].grid
    for volume in volumes:
        _require_grid(volume, source_grid, "channel")
        odd = volume.data.size - int(np.isfinite(volume.data).sum())
        if odd:
            raise InputError(f"{odd} voxels are NaN or infinite", "Replace them by numbers", volume.path)
    stripped = strip_brain(volumes, config.brain, mask)
    space_grid, doubt = (None, "") if config.space == "native" else placed_in_template(stripped[0])
    data, oriented_grid = reorient(
        np.stack([volume.data for volume in stripped]), space_grid or source_grid, config.orientation
    )
    data = data.astype(np.float32, copy=False)
    full_grid = oriented_grid
    spacing = config.spacing_mm
    if space_grid is not None:
        full_grid = template_grid(config.orientation, spacing)
        channels = [Volume(channel, oriented_grid, volumes[0].path) for channel in data]
        data = np.stack([_resample_onto(channel, full_grid, config.interpolation) for channel in channels])
    elif spacing is not None and not np.allclose(spacing, oriented_grid.spacing_mm, rtol=0, atol=_SAME_SPACING_MM):
        full_grid = spaced_grid(oriented_grid, spacing)
        channels = [Volume(channel, oriented_grid, volumes[0].path) for channel in data]
        data = np.stack([_resample(channel, spacing, config.interpolation) for channel in channels])
    box = Box.whole(full_grid.shape)
    if mask is not None:
        _require_grid(mask, source_grid, "mask")
        if not mask.data.any():
            raise InputError("the mask is empty", "Correct it, or leave the mask out", mask.path)
        inside = restore_orientation(mask.data != 0, space_grid or source_grid, oriented_grid)
        if full_grid is not oriented_grid:
            inside = resample_to_grid(Volume(inside, oriented_grid), full_grid, "nearest").data
        if config.crop == "mask":
            box = _box_around(inside, full_grid, config.crop_margin_mm)
        else:
            data = data * inside
    if config.crop == "nonzero":
        box = _box_around(data, full_grid, config.crop_margin_mm)
    elif config.crop_size is not None:
        first, second, third = (
            extent if length is None else length
            for extent, length in zip(full_grid.shape, config.crop_size, strict=True)
        )
        box = middle_box(full_grid.shape, (first, second, third))
    data = _normalise(crop(data, box), config)
    grid = full_grid.derived(box.size, box.to_volume())
    return PreparedImage(data, grid, source_grid, oriented_grid, full_grid, box, space_grid, doubt)


def prepare_classes(volume: Volume, table: LabelTable, prepared: PreparedImage) -> np.ndarray:
    """Bring a label map onto the grid of a prepared image.

    Args:
        volume: label map on the grid of the image's files.
        table: which values are which class.
        prepared: the image.

    Returns:
        int16 classes (D, H, W), by nearest neighbour.

    Raises:
        InputError: the label map lies on another grid than the image.
    """
    return crop(_classes_before_crop(volume, table, prepared), prepared.box)


def cut_off_voxels(volume: Volume, table: LabelTable, prepared: PreparedImage) -> int:
    """How many voxels of a label the crop of a prepared image leaves out, counted before the crop.

    Args:
        volume: label map on the grid of the image's files.
        table: which values are labels.
        prepared: the image.
    """
    whole = _classes_before_crop(volume, table, prepared) > 0
    return int(whole.sum()) - int(crop(whole, prepared.box).sum())


def _classes_before_crop(volume: Volume, table: LabelTable, prepared: PreparedImage) -> np.ndarray:
    _require_grid(volume, prepared.source_grid, "label map")
    classes = restore_orientation(table.to_classes(volume.data), prepared.placed_grid, prepared.oriented_grid)
    if prepared.is_resampled:
        classes = resample_to_grid(Volume(classes, prepared.oriented_grid), prepared.full_grid, "nearest").data
    return classes


def restore_classes(classes: np.ndarray, prepared: PreparedImage) -> np.ndarray:
    """Bring classes back onto the grid of the image's files; outside the crop they are 0.

    Args:
        classes: integers (D, H, W) on the prepared grid.
        prepared: the image that they belong to.

    Returns:
        int16 array on the source grid; exact where nothing was resampled, else nearest neighbour.
    """
    classes = np.asarray(classes, np.int16)
    if prepared.is_resampled:
        return resample_to_grid(Volume(classes, prepared.grid), prepared.placed_grid, "nearest").data
    whole = paste(classes, prepared.box, prepared.full_grid.shape)
    return restore_orientation(whole, prepared.oriented_grid, prepared.placed_grid)


def restore_probabilities(
    probabilities: np.ndarray, prepared: PreparedImage, outside: float | Sequence[float] = 0.0
) -> np.ndarray:
    """Bring probabilities back onto the grid of the image's files.

    Args:
        probabilities: (K, D, H, W) on the prepared grid.
        prepared: the image that they belong to.
        outside: probability outside the crop, one number or one per channel: 1 for the
            background of a softmax, 0 for a label.

    Returns:
        float32 (K, *source shape); exact where nothing was resampled, else linear.
    """
    outer = np.broadcast_to(np.asarray(outside, np.float32), (len(probabilities),))
    restored = np.empty((len(probabilities), *prepared.source_grid.shape), np.float32)
    for number, channel in enumerate(np.asarray(probabilities, np.float32)):
        fill = float(outer[number])
        if prepared.is_resampled:
            moved = resample_to_grid(Volume(channel, prepared.grid), prepared.placed_grid, "linear", fill)
            restored[number] = moved.data
        else:
            whole = paste(channel, prepared.box, prepared.full_grid.shape, fill)
            restored[number] = restore_orientation(whole, prepared.oriented_grid, prepared.placed_grid)
    return restored


def _resample(channel: Volume, spacing_mm: tuple[float, float, float], interpolation: Interpolation) -> np.ndarray:
    moved = resample_to_spacing(channel, spacing_mm, interpolation).data
    if interpolation in ("bspline", "sinc"):
        # These ring: far from the head, air would no longer be zero, and would count in the crop
        # to non-zero voxels and in their mean. It is set back where linear interpolation sees air only.
        occupied = Volume((channel.data != 0).astype(np.float32), channel.grid)
        moved = moved * (resample_to_spacing(occupied, spacing_mm, "linear").data > 0)
    return moved


def _resample_onto(channel: Volume, grid: Grid, interpolation: Interpolation) -> np.ndarray:
    moved = resample_to_grid(channel, grid, interpolation).data
    if interpolation in ("bspline", "sinc"):
        # As in `_resample`.
        occupied = Volume((channel.data != 0).astype(np.float32), channel.grid)
        moved = moved * (resample_to_grid(occupied, grid, "linear").data > 0)
    return moved


def _box_around(data: np.ndarray, grid: Grid, margin_mm: float) -> Box:
    first, second, third = (math.ceil(margin_mm / side) for side in grid.spacing_mm)
    return nonzero_box(data, (first, second, third))


def _normalise(image: np.ndarray, config: PreparationConfig) -> np.ndarray:
    if config.normalisation == "zscore":
        return zscore(image, "all")
    if config.normalisation == "zscore_nonzero":
        return zscore(image, "nonzero")
    if config.normalisation == "percentile":
        return percentile_minmax(image, *config.percentiles)
    if config.normalisation in ("nyul", "histogram"):
        image = standardise(image, config.standard, config.normalisation)
        return zscore(image, "nonzero") if config.standard.then == "zscore_nonzero" else image
    return image


def _require_grid(volume: Volume, grid: Grid, what: str) -> None:
    if not volume.grid.same_as(grid):
        raise InputError(
            f"the {what} does not lie on the image's grid: {volume.grid.difference(grid)}",
            "Resample it onto the image",
            volume.path,
        )
