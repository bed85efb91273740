"""Values of a volume between its voxels.

PyTorch's ``grid_sample`` does the same for volumes, on a CPU voxel by voxel without vector instructions, and from
places scaled to a range of -1 to 1, where those in large volumes lose digits. Here a CPU takes a compiled loop; other
devices gather each corner of the cubes around many places at once.
"""

from typing import Literal

import torch
from torch import Tensor

Mode = Literal["bilinear", "nearest"]

_EXACT = 2**24
"""Up to which float32 holds every whole number."""


def interpolate(volume: Tensor, places: Tensor, mode: Mode, out: Tensor) -> None:
    """Fill a tensor with values at places, those beyond the outermost voxels' centres taken at the nearest such centre.

    Args:
        volume: (C, D, H, W), which may be a part of a larger one; where ``mode`` is ``bilinear`` of float32 or float64,
            with two voxels along each axis at least.
        places: (3, d, h, w) float32, in voxels of the volume; left as they are.
        mode: ``bilinear`` weighs the eight voxels around a place by their distance along each axis; ``nearest`` takes
            one, of two that are as near the even one.
        out: (C, d, h, w) on the same device, of any type that NumPy has.

    Raises:
        ValueError: the shapes do not belong together.
    """
    if out.shape != (len(volume), *places.shape[1:]):
        raise ValueError(f"{len(volume)} channels at {tuple(places.shape[1:])} places cannot fill {tuple(out.shape)}")
    if volume.device.type == "cpu":
        from neurograft.sampling import interpolation_loops  # slow to import, and only patches need it

        fill = interpolation_loops.fill_nearest if mode == "nearest" else interpolation_loops.fill_linear
        fill(volume, places, out)
    else:
        gather(volume, places, mode, out)


def gather(volume: Tensor, places: Tensor, mode: Mode, out: Tensor) -> None:
    """`interpolate` in tensor operations, for any device."""
    sample = _nearest if mode == "nearest" else _linear
    # Channel by channel: all gathers then read the same voxels.
    for channel, filled in zip(volume, out, strict=True):
        filled.copy_(sample(channel, places))


def _nearest(volume: Tensor, places: Tensor) -> Tensor:
    whole = [axis.round().clamp_(0, length - 1) for axis, length in zip(places, volume.shape, strict=True)]
    return volume.flatten()[_index(whole, volume.shape)]


def _linear(volume: Tensor, places: Tensor) -> Tensor:
    inside = [axis.clamp(0, length - 1) for axis, length in zip(places, volume.shape, strict=True)]
    # The last voxel is the second of its cube, never the first.
    first = [axis.floor().clamp_(max=length - 2) for axis, length in zip(inside, volume.shape, strict=True)]
    depth, height, width = (axis.sub_(start) for axis, start in zip(inside, first, strict=True))
    index = _index(first, volume.shape)
    values, row, slab = volume.flatten(), volume.shape[2], volume.shape[1] * volume.shape[2]

    def along_width(offset: int) -> Tensor:
        return values[offset:][index].lerp_(values[offset + 1 :][index], width)

    front = along_width(0).lerp_(along_width(row), height)
    back = along_width(slab).lerp_(along_width(slab + row), height)
    return front.lerp_(back, depth)


def with_surroundings(volume: Tensor, outside: Tensor | None) -> Tensor:
    """A volume with one voxel more on all sides, for places that lie beyond it.

    Args:
        volume: (C, D, H, W).
        outside: (C, 1, 1, 1) what lies there; ``None`` goes on with the outermost voxels.
    """
    if outside is None:
        indices = [
            torch.arange(-1, length + 1, device=volume.device).clamp_(0, length - 1) for length in volume.shape[1:]
        ]
        for axis, index in enumerate(indices, start=1):
            volume = volume.index_select(axis, index)
        return volume
    shape = (len(volume), *(length + 2 for length in volume.shape[1:]))
    larger = outside.to(volume).expand(shape).clone()
    larger[:, 1:-1, 1:-1, 1:-1] = volume
    return larger


def _index(whole: list[Tensor], size: torch.Size) -> Tensor:
    """Numbers of voxels in a flat volume, of their places along each axis in whole numbers."""
    depth, height, width = whole
    if size.numel() >= _EXACT:
        depth, height, width = depth.long(), height.long(), width.long()
    return height.add(depth, alpha=size[1]).mul_(size[2]).add_(width).long()
