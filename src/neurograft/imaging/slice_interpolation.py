"""From a few drawn slices to a whole label map, without a look at the image: what any model has to beat."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def nearest_slice(classes: NDArray[np.integer], slices: NDArray[np.integer], axis: int) -> NDArray[np.int16]:
    """Give every slice the classes of the nearest drawn one, of two at one distance those of the lower.

    Args:
        classes: (D, H, W), known in the drawn slices.
        slices: indices of the drawn slices along the axis, at least one, rising.
        axis: across the slices.
    """
    places = np.arange(classes.shape[axis])
    nearest = slices[np.abs(places[:, None] - slices[None, :]).argmin(1)]
    return classes.take(nearest, axis=axis).astype(np.int16)


def shape_based(
    classes: NDArray[np.integer],
    slices: NDArray[np.integer],
    axis: int,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> NDArray[np.int16]:
    """Interpolate, label by label, the signed distance to the outline between drawn slices.

    A voxel gets the label whose distance lies deepest inside, or background where none does. A label that one of
    two neighbouring drawn slices does not show ends halfway between them. Before the first and beyond the last
    drawn slice the nearest one holds.

    Args:
        classes: (D, H, W), known in the drawn slices.
        slices: indices of the drawn slices along the axis, at least one, rising.
        axis: across the slices.
        spacing_mm: of the voxels.

    Reference:
        Raya, Udupa 1990, "Shape-based interpolation of multidimensional objects".
    """
    drawn = np.moveaxis(classes, axis, 0)
    in_plane = tuple(side for number, side in enumerate(spacing_mm) if number != axis)
    labels = np.unique(drawn[slices])
    labels = labels[labels > 0]
    filled = np.moveaxis(nearest_slice(classes, slices, axis), axis, 0).copy()
    if not len(labels):
        return np.moveaxis(filled, 0, axis)
    depths = np.stack([[_depth(drawn[place] == label, in_plane) for label in labels] for place in slices])
    for number, (first, last) in enumerate(pairwise(slices.tolist())):
        for place in range(first + 1, last):
            share = (place - first) / (last - first)
            shown = np.isfinite(depths[number]).any((1, 2)) & np.isfinite(depths[number + 1]).any((1, 2))
            between = np.full(depths[number].shape, -np.inf)
            between[shown] = (1 - share) * depths[number][shown] + share * depths[number + 1][shown]
            nearer = depths[number] if share <= 0.5 else depths[number + 1]
            between[~shown] = nearer[~shown]
            best = between.argmax(0)
            inside = np.take_along_axis(between, best[None], axis=0)[0] > 0
            filled[place] = np.where(inside, labels[best], 0)
    return np.moveaxis(filled, 0, axis)


def _depth(drawn: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Distance to the outline, positive inside; minus infinity where nothing is drawn."""
    if not drawn.any():
        return np.full(drawn.shape, -np.inf)
    inside = ndimage.distance_transform_edt(drawn, sampling=spacing_mm)
    outside = ndimage.distance_transform_edt(~drawn, sampling=spacing_mm)
    return np.asarray(inside - outside, np.float64)
