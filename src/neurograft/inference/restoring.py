"""From the network's grid to that of the files: probabilities are interpolated, slab by slab, and decided there.

Classes that are decided first and moved by nearest neighbours lose what the probabilities know of where a border
runs between two voxels: at 1.5 mm, a label map of small structures at 1 mm comes back with a Dice of 0.89, and
with 0.96 by its probabilities.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurograft.imaging.cropping import Box, paste
from neurograft.imaging.orientation import restore_orientation
from neurograft.imaging.preparation import PreparedImage
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.volume import Volume
from neurograft.inference.slabs import SLAB_VOXELS, Slab, joined

_Number = TypeVar("_Number", bound=np.generic)

_PARALLEL = 1e-6
"""Largest share of another axis, in voxels a voxel, in a map that treats each axis alone."""


@dataclass(frozen=True, eq=False)
class WayBack:
    """How what a network says of a prepared image comes to the grid of the files.

    Attributes:
        prepared: the image.
        box: the voxels of the turned grid of the files that the prepared image shows; all of them where the axes of the
            two do not run alike, as in the space of a template.
    """

    prepared: PreparedImage
    box: Box

    @classmethod
    def of(cls, prepared: PreparedImage) -> "WayBack":
        """The way back of an image."""
        if not prepared.is_resampled:
            return cls(prepared, prepared.box)
        if not _is_parallel(_to_prepared(prepared)):
            return cls(prepared, Box.whole(prepared.oriented_grid.shape))
        inside = [_inside(prepared, axis) for axis in range(3)]
        first, second, third = ((int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0) for found in inside)
        return cls(prepared, Box((first[0], second[0], third[0]), (first[1], second[1], third[1])))

    @property
    def voxel_volume_mm3(self) -> float:
        """Of the voxels that come back."""
        return self.prepared.oriented_grid.voxel_volume_mm3

    def slabs(self, slabs: Iterator[Slab], axis: int, outside: Sequence[float]) -> Iterator[Slab]:
        """Probabilities of the prepared image as slabs of the box, linearly interpolated where it was resampled.

        Args:
            slabs: (K, d, h, w), in order along an axis.
            axis: that one.
            outside: probability of each of the K where the prepared image shows nothing.
        """
        if not self.prepared.is_resampled:
            return slabs
        if _is_parallel(_to_prepared(self.prepared)):
            return self._interpolated(slabs, axis)
        return self._turned(joined(slabs, axis, self.prepared.grid.shape), axis, outside)

    def mask(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """A mask of the prepared image in the box."""
        if mask is None or not self.prepared.is_resampled:
            return mask
        given = torch.from_numpy(mask.astype(np.float32))[None]
        whole = joined(self.slabs(iter([Slab(0, given)]), 0, [0.0]), 0, self.box.size)
        return np.asarray(whole[0].numpy() >= 0.5)

    def on_files(self, values: NDArray[_Number], outside: float = 0.0) -> NDArray[_Number]:
        """Values in the box, on the grid of the files."""
        prepared = self.prepared
        whole = paste(values, self.box, prepared.oriented_grid.shape, outside)
        return restore_orientation(whole, prepared.oriented_grid, prepared.placed_grid)

    def channels_on_files(self, values: NDArray[_Number], outside: Sequence[float]) -> NDArray[_Number]:
        """Channels (K, d, h, w) in the box, on the grid of the files, each with its own value outside."""
        return np.stack([self.on_files(channel, fill) for channel, fill in zip(values, outside, strict=True)])

    def _interpolated(self, slabs: Iterator[Slab], axis: int) -> Iterator[Slab]:
        positions = [
            torch.from_numpy(_positions(self.prepared, each)[self.box.start[each] : self.box.stop[each]])
            for each in range(3)
        ]
        across = [each for each in range(3) if each != axis]
        along, done = positions[axis], 0
        length = self.prepared.grid.shape[axis]
        last: Tensor | None = None
        for slab in slabs:
            part, begin = slab.activations, slab.start
            end = begin + part.shape[1 + axis]
            if last is not None:
                # Between two slabs lie voxels that both decide.
                part, begin = torch.cat([last, part], 1 + axis), begin - 1
            reach = len(along) if end == length else int((along <= end - 1).sum())
            for start in range(done, reach, SLAB_VOXELS):
                fine = _interpolate(part, 1 + axis, along[start : min(start + SLAB_VOXELS, reach)] - begin)
                for each in across:
                    fine = _interpolate(fine, 1 + each, positions[each])
                yield Slab(start, fine)
            done = max(done, reach)
            last = part.narrow(1 + axis, part.shape[1 + axis] - 1, 1).clone()

    def _turned(self, probabilities: Tensor, axis: int, outside: Sequence[float]) -> Iterator[Slab]:
        grid = self.prepared.oriented_grid
        for start in range(0, grid.shape[axis], SLAB_VOXELS):
            stop = min(start + SLAB_VOXELS, grid.shape[axis])
            first, last = [0, 0, 0], list(grid.shape)
            first[axis], last[axis] = start, stop
            box = Box((first[0], first[1], first[2]), (last[0], last[1], last[2]))
            here = grid.derived(box.size, box.to_volume())
            moved = [
                resample_to_grid(Volume(channel.numpy(), self.prepared.grid), here, "linear", fill).data
                for channel, fill in zip(probabilities.cpu(), outside, strict=True)
            ]
            yield Slab(start, torch.from_numpy(np.stack(moved)))


def _interpolate(values: Tensor, dim: int, positions: Tensor) -> Tensor:
    """Values at positions along a dimension; beyond the first and the last voxel theirs."""
    count = values.shape[dim]
    places = positions.clamp(0, count - 1)
    lower = places.floor().long().clamp(max=max(count - 2, 0))
    share = (places - lower).to(values.dtype).to(values.device)
    shape = [1] * values.ndim
    shape[dim] = -1
    lower = lower.to(values.device)
    upper = (lower + 1).clamp(max=count - 1)
    return torch.lerp(values.index_select(dim, lower), values.index_select(dim, upper), share.view(shape))


def _to_prepared(prepared: PreparedImage) -> NDArray[np.float64]:
    """Affine from an index of the turned grid of the files to one of the prepared image."""
    return np.linalg.solve(prepared.grid.affine, prepared.oriented_grid.affine)


def _is_parallel(voxel_map: NDArray[np.float64]) -> bool:
    turn = voxel_map[:3, :3]
    return bool(np.abs(turn - np.diag(np.diag(turn))).max() < _PARALLEL)


def _positions(prepared: PreparedImage, axis: int) -> NDArray[np.float64]:
    """Where the voxels of the turned grid of the files lie along an axis of the prepared image."""
    voxel_map = _to_prepared(prepared)
    # What differs in the last bits only is the same place: a scan gives one answer, however it is stored.
    return np.round(voxel_map[axis, axis] * np.arange(prepared.oriented_grid.shape[axis]) + voxel_map[axis, 3], 6)


def _inside(prepared: PreparedImage, axis: int) -> NDArray[np.int64]:
    places = _positions(prepared, axis)
    return np.flatnonzero((places >= -0.5) & (places <= prepared.grid.shape[axis] - 0.5))
