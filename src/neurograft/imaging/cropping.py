"""Boxes of voxels: find them, cut them out, put them back.

A box may reach beyond the volume; what lies outside is filled when it is cut out and dropped
when it is put back.
"""

from dataclasses import dataclass

import numpy as np

from neurograft.imaging.grid import Shape


@dataclass(frozen=True)
class Box:
    """Voxels from `start` up to, but without, `stop` along each axis."""

    start: Shape
    stop: Shape

    @property
    def size(self) -> Shape:
        """Voxels along each axis."""
        first, second, third = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return first, second, third

    @classmethod
    def whole(cls, shape: Shape) -> "Box":
        """The box that holds all of a volume."""
        return cls((0, 0, 0), shape)

    def to_volume(self) -> np.ndarray:
        """Affine (4, 4) from an index in the box to the index in the volume."""
        shift = np.eye(4)
        shift[:3, 3] = self.start
        return shift


def nonzero_box(data: np.ndarray, margin: Shape = (0, 0, 0)) -> Box:
    """The smallest box that holds every voxel other than zero, in any channel.

    Args:
        data: array (..., D, H, W).
        margin: voxels added on each side of each axis, as far as the volume reaches.

    Returns:
        The box; the whole volume where all voxels are zero.
    """
    occupied = (data != 0).reshape(-1, *data.shape[-3:]).any(0)
    starts, stops = [], []
    for axis in range(3):
        used = np.flatnonzero(occupied.any(tuple(other for other in range(3) if other != axis)))
        if not used.size:
            return Box.whole(occupied.shape)
        starts.append(max(int(used[0]) - margin[axis], 0))
        stops.append(min(int(used[-1]) + 1 + margin[axis], occupied.shape[axis]))
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


def centred_box(shape: Shape, centre: tuple[float, float, float], size: Shape) -> Box:
    """A box of a given size around a point, moved inwards where it would leave the volume.

    Along an axis where the volume is smaller than the box, the volume is centred in the box.

    Args:
        shape: that of the volume.
        centre: voxel coordinates, 0 being the centre of the first voxel.
        size: voxels of the box along each axis.
    """
    starts = []
    for extent, middle, length in zip(shape, centre, size, strict=True):
        if extent <= length:
            starts.append(-((length - extent) // 2))
        else:
            # The centre of voxels start .. start+length-1 is start + (length-1)/2.
            starts.append(min(max(int(np.floor(middle - (length - 1) / 2 + 0.5)), 0), extent - length))
    return Box((starts[0], starts[1], starts[2]), (starts[0] + size[0], starts[1] + size[1], starts[2] + size[2]))


def crop(data: np.ndarray, box: Box, fill: float = 0) -> np.ndarray:
    """Cut a box out of an array (..., D, H, W); voxels beyond the array are `fill`.

    Returns:
        A copy (..., *box.size), contiguous.
    """
    inside_volume, inside_box, covered = _overlap(data.shape[-3:], box)
    if covered:
        return np.array(data[inside_volume], order="C")
    cut = np.full((*data.shape[:-3], *box.size), fill, data.dtype)
    cut[inside_box] = data[inside_volume]
    return cut


def middle_box(shape: Shape, size: Shape) -> Box:
    """The box of a given size about the middle of a volume; beyond it where the volume is smaller."""
    first, second, third = ((extent - 1) / 2 for extent in shape)
    return centred_box(shape, (first, second, third), size)


def paste(data: np.ndarray, box: Box, shape: Shape, fill: float = 0) -> np.ndarray:
    """Put what was cut out back into a volume: the inverse of `crop`.

    Args:
        data: array (..., *box.size).
        box: where it was cut.
        shape: that of the volume.
        fill: value outside the box.

    Returns:
        Array (..., *shape).
    """
    if data.shape[-3:] != box.size:
        raise ValueError(f"data of shape {data.shape} does not fit a box of {box.size}")
    inside_volume, inside_box, _ = _overlap(shape, box)
    whole = np.full((*data.shape[:-3], *shape), fill, data.dtype)
    whole[inside_volume] = data[inside_box]
    return whole


def _overlap(shape: tuple[int, ...], box: Box) -> tuple[tuple, tuple, bool]:
    """Indices of the common part, in the volume and in the box, and whether it is all of the box."""
    in_volume: list = [...]
    in_box: list = [...]
    for extent, start, stop in zip(shape, box.start, box.stop, strict=True):
        low, high = min(max(start, 0), extent), max(min(stop, extent), 0)
        high = max(low, high)
        in_volume.append(slice(low, high))
        in_box.append(slice(low - start, high - start) if high > low else slice(0, 0))
    covered = all(start >= 0 and stop <= extent for extent, start, stop in zip(shape, box.start, box.stop, strict=True))
    return tuple(in_volume), tuple(in_box), covered
