"""Overlapping answers of windows, merged slab by slab, so that no volume of floats a class is ever held.

Windows come in order along one axis. A slab is finished once no later window reaches back to it: it is
divided by its weights, handed on and forgotten. What is kept in memory is one window's length along that
axis, by the whole image along the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from neurograft.imaging.grid import Shape

SLAB_VOXELS = 16
"""Thickness of the slabs that are handed on."""

HALF_PRECISION_ROUNDING = 2.0**-11
"""Bound on the relative error of a merged probability whose sums are kept in half precision, for each window
over its voxel: an addition rounds its sum by no more. At half overlap eight windows lie over a voxel, and up
to 27 where the last ones were moved back to end with the volume."""

_MIB = 2**20


@dataclass(frozen=True, eq=False)
class Slab:
    """A finished part of a volume.

    Attributes:
        start: its first voxel along the axis.
        activations: float32 (K, D, H, W), as thick as the slab along the axis, as the volume along the others.
    """

    start: int
    activations: Tensor


@dataclass(frozen=True)
class MergePlan:
    """How windows' answers are merged.

    Attributes:
        axis: along which slabs are finished.
        storage: in which sums are kept; both are merged to float32.
        mib: memory of the sums and weights; a slab that is handed on comes on top.
    """

    axis: int
    storage: torch.dtype
    mib: float

    @property
    def is_exact(self) -> bool:
        """Whether sums are kept in single precision."""
        return self.storage == torch.float32


def plan_merging(shape: Shape, windows: Sequence[Shape], outputs: int, most_mib: float | None = None) -> MergePlan:
    """The axis that needs least memory, and half precision where single would not fit.

    Args:
        shape: voxels of the image.
        windows: of each of the models whose answers are merged side by side.
        outputs: rows of a head.
        most_mib: memory that the sums may take; ``None`` sets no bound. It is exceeded where half
            precision does not suffice: the caller is to say so.

    Example:
        >>> plan_merging((200, 180, 160), [(128, 128, 128)], 3)
        MergePlan(axis=0, storage=torch.float32, mib=56.25)
    """
    voxels = []
    for axis in range(3):
        total = 0
        for window in windows:
            extent = [max(pair) for pair in zip(shape, window, strict=True)]
            extent[axis] = window[axis]
            total += prod(extent)
        voxels.append(total)
    axis = min(range(3), key=voxels.__getitem__)
    # Weights stay in single precision.
    whole, half = (voxels[axis] * (outputs * bytes_each + 4) / _MIB for bytes_each in (4, 2))
    if most_mib is None or whole <= most_mib:
        return MergePlan(axis, torch.float32, whole)
    return MergePlan(axis, torch.float16, half)


class SlabMerger:
    """Sums of weighted answers over the part of a volume that windows still reach.

    Args:
        extent: voxels of the volume.
        window: voxels of a window.
        weight: of each voxel of a window, its shape.
        axis: along which windows come in order.
        storage: of the sums.
    """

    def __init__(
        self,
        extent: Sequence[int],
        window: Sequence[int],
        weight: Tensor,
        axis: int = 0,
        storage: torch.dtype = torch.float32,
    ) -> None:
        self.extent, self.window = tuple(extent), tuple(window)
        self.weight, self.axis, self.storage = weight, axis, storage
        self._held = list(extent)
        self._held[axis] = window[axis]
        self._weights = torch.zeros(self._held, device=weight.device)
        self._sums: Tensor | None = None
        self._position = 0

    def add(self, corner: Sequence[int], activations: Tensor) -> Iterator[Slab]:
        """Add a window's answer; the slabs that no window from here on reaches are handed on.

        Args:
            corner: the window's first voxel; along the axis never before that of the window before it.
            activations: (K, d, h, w), float32.
        """
        yield from self.finish(corner[self.axis], len(activations))
        sums = self._sums_of(len(activations))
        across = [slice(first, first + length) for first, length in zip(corner, self.window, strict=True)]
        # The rows held are a ring: row r of the volume is kept in row r modulo the window's length.
        length = self.window[self.axis]
        turn = corner[self.axis] % length
        for ring, rows in (
            (slice(turn, length), slice(0, length - turn)),
            (slice(0, turn), slice(length - turn, length)),
        ):
            across[self.axis] = ring
            part: list[slice] = [slice(None)] * 3
            part[self.axis] = rows
            weight = self.weight[tuple(part)]
            if self.storage == torch.float32:
                sums[:, *across].addcmul_(activations[:, *part], weight)
            else:
                sums[:, *across] += activations[:, *part] * weight
            self._weights[tuple(across)] += weight

    def finish(self, stop: int | None = None, outputs: int = 0) -> Iterator[Slab]:
        """Hand on all slabs before row `stop`, or to the volume's end."""
        stop = self.extent[self.axis] if stop is None else stop
        sums = self._sums_of(outputs)
        length = self.window[self.axis]
        while self._position < stop:
            row = self._position % length
            thickness = min(stop - self._position, length - row, SLAB_VOXELS)
            rows = sums.narrow(1 + self.axis, row, thickness)
            weights = self._weights.narrow(self.axis, row, thickness)
            # Where no window lay nothing was summed, and nothing is divided.
            merged = rows.float() / torch.where(weights > 0, weights, 1.0)
            rows.zero_()
            weights.zero_()
            start = self._position
            self._position += thickness
            yield Slab(start, merged)

    def _sums_of(self, outputs: int) -> Tensor:
        if self._sums is None:
            self._sums = torch.zeros((outputs, *self._held), dtype=self.storage, device=self.weight.device)
        return self._sums


def cropped(slabs: Iterator[Slab], axis: int, start: Sequence[int], shape: Sequence[int]) -> Iterator[Slab]:
    """The slabs of the part of a volume that begins at `start` and has a given shape."""
    for slab in slabs:
        first = max(slab.start, start[axis])
        last = min(slab.start + slab.activations.shape[1 + axis], start[axis] + shape[axis])
        if first >= last:
            continue
        box = [slice(begin, begin + length) for begin, length in zip(start, shape, strict=True)]
        box[axis] = slice(first - slab.start, last - slab.start)
        yield Slab(first - start[axis], slab.activations[:, *box])


def mean_slabs(models: Sequence[Iterator[Slab]], axis: int) -> Iterator[Slab]:
    """The mean over models that hand on slabs of one volume, of whatever thickness each."""
    if len(models) == 1:
        yield from models[0]
        return
    waiting: list[Tensor | None] = [None] * len(models)
    position = 0
    while True:
        for number, model in enumerate(models):
            if waiting[number] is None:
                slab = next(model, None)
                if slab is None:
                    return
                waiting[number] = slab.activations
        parts = [part for part in waiting if part is not None]
        thickness = min(part.shape[1 + axis] for part in parts)
        yield Slab(position, torch.stack([part.narrow(1 + axis, 0, thickness) for part in parts]).mean(0))
        position += thickness
        for number, part in enumerate(parts):
            left = part.shape[1 + axis] - thickness
            waiting[number] = part.narrow(1 + axis, thickness, left) if left else None


def joined(slabs: Iterator[Slab], axis: int, shape: Shape) -> Tensor:
    """All slabs of a volume as one tensor (K, D, H, W)."""
    whole: Tensor | None = None
    for slab in slabs:
        part = slab.activations
        if whole is None:
            whole = part.new_empty((len(part), *shape))
        whole.narrow(1 + axis, slab.start, part.shape[1 + axis]).copy_(part)
    if whole is None:
        raise ValueError(f"no slab of a volume of shape {shape}")
    return whole
