"""Boxes of voxels: find them, cut them out, put them back.

A box may reach beyond the volume; what lies outside is filled when it is cut out and dropped
when it is put back.
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from neurograft.imaging.grid import Shape

_ROUNDING = 1e-6
"""Share of a voxel that an affine map of a box may be off without another voxel being taken in."""


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

    @property
    def is_empty(self) -> bool:
        """Whether it holds no voxel."""
        return min(self.size) <= 0

    def shifted(self, offset: Shape) -> "Box":
        """The same box, counted from elsewhere: `offset` is where the present first voxel lies there."""
        start, stop = ([edge + by for edge, by in zip(side, offset, strict=True)] for side in (self.start, self.stop))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def grown(self, voxels: int) -> "Box":
        """The box with a margin on all six sides."""
        return Box(self.shifted((-voxels, -voxels, -voxels)).start, self.shifted((voxels, voxels, voxels)).stop)

    def clipped(self, shape: Shape) -> "Box":
        """The part of the box inside a volume; empty where there is none."""
        start = [min(max(edge, 0), extent) for edge, extent in zip(self.start, shape, strict=True)]
        stop = [min(max(edge, first), extent) for edge, first, extent in zip(self.stop, start, shape, strict=True)]
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def joined(self, other: "Box") -> "Box":
        """The smallest box that holds both."""
        start, stop = np.minimum(self.start, other.start).tolist(), np.maximum(self.stop, other.stop).tolist()
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def mapped(self, voxel_map: np.ndarray) -> "Box":
        """The smallest box of whole voxels on another grid that covers this one.

        Args:
            voxel_map: affine (4, 4), index here to index there.
        """
        # Voxels reach half a voxel beyond the centre of the first and of the last.
        sides = [(first - 0.5, last - 0.5) for first, last in zip(self.start, self.stop, strict=True)]
        corners = np.array([[*corner, 1.0] for corner in product(*sides)]) @ voxel_map.T
        low, high = corners[:, :3].min(0) + 0.5, corners[:, :3].max(0) + 0.5
        start = [math.floor(edge + _ROUNDING) for edge in low.tolist()]
        stop = [math.ceil(edge - _ROUNDING) for edge in high.tolist()]
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


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


def box_holding(needed: Box, centre: tuple[float, float, float], size: Shape, shape: Shape) -> Box:
    """A box that holds another one: of a given size around a point as far as that allows, else larger.

    It is moved, never shrunk, to hold what is needed; it grows along an axis only where that is
    longer than `size`. It never leaves the volume: where the volume is smaller, it takes all.

    Args:
        needed: what must lie inside; its part outside the volume does not count.
        centre: voxel coordinates, 0 being the centre of the first voxel.
        size: voxels of the box along each axis.
        shape: that of the volume.
    """
    needed = needed.clipped(shape)
    starts, stops = [], []
    for first, last, middle, wanted, extent in zip(needed.start, needed.stop, centre, size, shape, strict=True):
        length = min(max(wanted, last - first), extent)
        start = math.floor(middle - (length - 1) / 2 + 0.5)
        start = min(max(start, last - length), first)
        start = min(max(start, 0), extent - length)
        starts.append(start)
        stops.append(start + length)
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


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
