"""Run a patch network over a whole volume in overlapping windows and merge what it says.

Windows start every ``window * (1 - overlap)`` voxels along each axis; the last one is moved back
so that it ends with the volume. Where windows overlap, their activations are averaged, either
equally or with a Gaussian weight that trusts the middle of a window more than its border.

A window in which every channel has one value throughout, such as one that holds only the air around a
brain, has the same answer as any other of these values: it is computed once and used again. That is
exact, whatever the network does. Where only some voxels are wanted, windows without any are left out instead.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from neurograft.imaging.context import Context
from neurograft.inference.slabs import Slab, SlabMerger, cropped, joined

Merge = Literal["gaussian", "uniform"]

GAUSSIAN_SIGMA_SHARE = 1 / 8
"""Standard deviation of the Gaussian weight as a share of the window's size."""
SMALLEST_WEIGHT = 1e-3
"""Floor of the Gaussian weight: a voxel seen only by a window's corner must not be divided by nothing."""


_HALF_PRECISION_MOST = 2.0**15
"""Half of what half precision holds."""

NO_CONTEXT = Context()

NetworkCall = Callable[..., Tensor]
"""Maps windows (N, C, D, H, W) to activations (N, K, d, h, w); where only some voxels are wanted, it is given them
too, bool (N, d, h, w), and may answer anything elsewhere."""


def sliding_window(
    image: Tensor,
    network_call: NetworkCall,
    window: Sequence[int],
    overlap: float = 0.5,
    merge: Merge = "gaussian",
    batch_size: int = 1,
    progress: Callable[[int, int], None] | None = None,
    context: Context = NO_CONTEXT,
    wanted: Tensor | None = None,
) -> Tensor:
    """Merge a network's activations over overlapping windows, and keep them all.

    Args:
        image: as in `window_slabs`, like all other arguments.
        network_call: maps windows to activations.
        window: size in voxels of what the network answers for.
        overlap: share of a window that its neighbour covers too.
        merge: ``gaussian`` or ``uniform`` weights.
        batch_size: windows in one call.
        progress: called after every batch.
        context: what the network reads around a window.
        wanted: where windows are laid.

    Returns:
        Merged activations, shape (K, D, H, W), float32; 0 where no window lay.

    Raises:
        ValueError: the network's output has another spatial size than the window.
    """
    slabs = window_slabs(image, network_call, window, overlap, merge, batch_size, progress, context, wanted)
    return joined(slabs, 0, (image.shape[1], image.shape[2], image.shape[3]))


def window_slabs(
    image: Tensor,
    network_call: NetworkCall,
    window: Sequence[int],
    overlap: float = 0.5,
    merge: Merge = "gaussian",
    batch_size: int = 1,
    progress: Callable[[int, int], None] | None = None,
    context: Context = NO_CONTEXT,
    wanted: Tensor | None = None,
    axis: int = 0,
    storage: torch.dtype = torch.float32,
    reuse: bool = True,
    outside: Tensor | None = None,
) -> Iterator[Slab]:
    """Merge a network's activations over overlapping windows, and hand them on slab by slab.

    A volume smaller than the window is padded on both sides with what the context says stands
    for voxels beyond it, and the result is cropped back.

    Args:
        image: shape (C, D, H, W). Slabs are merged on this tensor's device; `network_call`
            may compute elsewhere.
        network_call: maps windows (N, C, *context.block((d, h, w))) to activations (N, K, d, h, w), in any
            floating type. Called with 1 to `batch_size` windows, and with their wanted voxels if not all are.
        window: size (d, h, w) in voxels, of what the network answers for.
        overlap: share of a window that its neighbour covers too, from 0 to below 1.
        merge: ``gaussian`` or ``uniform`` weights.
        batch_size: windows in one call.
        progress: called after every batch with the windows done and the windows in all.
        context: what the network reads around a window.
        wanted: bool (D, H, W), true somewhere; windows are laid over the box of these voxels, and those
            without any are left out. Elsewhere activations may be anything. ``None`` wants all.
        axis: along which slabs are finished.
        storage: in which sums are kept meanwhile; half precision is for activations of 1 at most.
        reuse: answer equal windows of constant channels once. Not for a network that is watched while it
            runs.
        outside: (C,) what stands beyond the volume where the context says its minimum; ``None`` takes each
            channel's smallest value.

    Returns:
        Slabs in order, side by side, of activations in float32; 0 where no window lay.

    Raises:
        ValueError: the network's output has another spatial size than the window.
    """
    shape = tuple(image.shape[1:])
    extent = (max(shape[0], window[0]), max(shape[1], window[1]), max(shape[2], window[2]))
    margin = tuple((large - small) // 2 for large, small in zip(extent, shape, strict=True))
    weight = window_weight(window, merge).to(image.device)
    if storage == torch.float16:
        weight *= _half_precision_scale(window, overlap)
    merger = SlabMerger(extent, window, weight, axis, storage)

    def slabs() -> Iterator[Slab]:
        padded = _pad(image, margin, extent, context, outside)
        where = None if wanted is None else _placed(wanted, margin, extent)
        if where is None:
            corners = list(product(*map(window_starts, extent, window, [overlap] * 3)))
        else:
            corners = _wanted_corners(where, window, overlap)
        corners.sort(key=lambda corner: corner[axis])
        block = context.block((window[0], window[1], window[2]))
        answers = _Answers(network_call, window, reuse and where is None)
        done = outputs = 0
        for first in range(0, len(corners), batch_size):
            group = corners[first : first + batch_size]
            masks = None if where is None else torch.stack([where[_box(corner, window)] for corner in group])
            activations = answers.of([padded[:, *_box(corner, block)] for corner in group], masks)
            for corner, activation in zip(group, activations, strict=True):
                activation = activation.to(image.device, torch.float32)
                outputs = len(activation)
                yield from merger.add(corner, activation)
            done += len(group)
            if progress is not None:
                progress(done, len(corners))
        yield from merger.finish(outputs=outputs)

    # Not a generator's own state: gradients are switched off while it computes, not while its user does.
    return _without_gradients(cropped(slabs(), axis, margin, shape))


class _Answers:
    """A network's answers to windows; the last one to a window of constant channels is kept."""

    def __init__(self, network_call: NetworkCall, window: Sequence[int], reuse: bool) -> None:
        self.network_call, self.window, self.reuse = network_call, tuple(window), reuse
        self._constants: tuple[float, ...] | None = None
        self._answer: Tensor | None = None

    def of(self, blocks: Sequence[Tensor], wanted: Tensor | None = None) -> list[Tensor]:
        """Activations (K, d, h, w) of blocks (C, D, H, W), of which bool (N, d, h, w) are wanted."""
        if wanted is not None:
            return list(self._call(blocks, wanted))
        constants = [_constants_of(block) if self.reuse else None for block in blocks]
        varied = [block for block, constant in zip(blocks, constants, strict=True) if constant is None]
        computed = iter(self._call(varied) if varied else ())
        answers = []
        for block, constant in zip(blocks, constants, strict=True):
            if constant is None:
                answers.append(next(computed))
                continue
            if constant != self._constants or self._answer is None:
                self._constants, self._answer = constant, self._call([block])[0]
            answers.append(self._answer)
        return answers

    def _call(self, blocks: Sequence[Tensor], *wanted: Tensor) -> Tensor:
        activations = self.network_call(torch.stack(list(blocks)), *wanted)
        if activations.shape[0] != len(blocks) or activations.shape[2:] != self.window:
            raise ValueError(
                f"the network must answer for windows of {self.window} voxels, one each for {len(blocks)}, "
                f"but gave {tuple(activations.shape)}"
            )
        return activations


def _constants_of(block: Tensor) -> tuple[float, ...] | None:
    """The value of each channel of (C, D, H, W), if each has only one."""
    first = block[:, :1, :1, :1]
    # Most windows differ between a corner and the middle, which costs nothing to see.
    middle = block[:, block.shape[1] // 2, block.shape[2] // 2, block.shape[3] // 2]
    if not torch.equal(middle, first.flatten()) or not bool((block == first).all()):
        return None
    return tuple(first.flatten().tolist())


def _without_gradients(slabs: Iterator[Slab]) -> Iterator[Slab]:
    while True:
        with torch.no_grad():
            slab = next(slabs, None)
        if slab is None:
            return
        yield slab


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """First voxels of the windows along one axis of `size` voxels, at least as long as the window.

    Example:
        >>> window_starts(10, 4, 0.5)
        [0, 2, 4, 6]
        >>> window_starts(9, 4, 0.5)
        [0, 2, 4, 5]
    """
    step = max(int(window * (1 - overlap)), 1)
    last = size - window
    return [*range(0, last, step), last]


def window_weight(window: Sequence[int], merge: Merge) -> Tensor:
    """Weight of each voxel of a window, shape (d, h, w), in (0, 1]."""
    weight = torch.ones(tuple(window))
    if merge == "uniform":
        return weight
    for axis, size in enumerate(window):
        distance = torch.arange(size) - (size - 1) / 2
        profile = torch.exp(-0.5 * (distance / (GAUSSIAN_SIGMA_SHARE * size)) ** 2)
        weight *= profile.reshape([-1 if other == axis else 1 for other in range(len(window))])
    return weight.clamp_(min=SMALLEST_WEIGHT)


def _half_precision_scale(window: Sequence[int], overlap: float) -> float:
    """A power of two that weights may take in half precision, for sums of values up to 1 to stay finite.

    The smallest weights lie below its normal numbers once they are multiplied by a small probability, and would
    be rounded far more coarsely than by `HALF_PRECISION_ROUNDING`. The scale is divided out with the weights.
    """
    most = prod(-(-side // max(int(side * (1 - overlap)), 1)) + 1 for side in window)
    return float(2.0 ** math.floor(math.log2(_HALF_PRECISION_MOST / most)))


def _placed(wanted: Tensor, margin: Sequence[int], extent: Sequence[int]) -> Tensor:
    """Wanted voxels in the padded volume."""
    whole = torch.zeros(tuple(extent), dtype=torch.bool)
    whole[_box(margin, wanted.shape)] = wanted.cpu()
    return whole


def _wanted_corners(wanted: Tensor, window: Sequence[int], overlap: float) -> list[tuple[int, ...]]:
    """First voxels of the windows over the box of wanted voxels, those that hold one."""
    starts = []
    for axis in range(3):
        places = wanted.any(dim=tuple(other for other in range(3) if other != axis)).nonzero().flatten()
        first = min(int(places[0]), wanted.shape[axis] - window[axis])
        length = max(int(places[-1]) + 1 - first, window[axis])
        starts.append([first + start for start in window_starts(length, window[axis], overlap)])
    return [corner for corner in product(*starts) if wanted[_box(corner, window)].any()]


def _pad(
    image: Tensor, margin: Sequence[int], extent: Sequence[int], context: Context, outside: Tensor | None
) -> Tensor:
    """The image at `margin` in a volume of size `extent`, with the context around that."""
    if context.is_empty and tuple(extent) == tuple(image.shape[1:]):
        return image
    first = [lead + inside for lead, inside in zip(context.before, margin, strict=True)]
    block = context.block((extent[0], extent[1], extent[2]))
    last = [size - start - length for size, start, length in zip(block, first, image.shape[1:], strict=True)]
    if context.outside == "edge":
        widths = [width for axis in (2, 1, 0) for width in (first[axis], last[axis])]
        return functional.pad(image[None], widths, mode="replicate")[0]
    values = image.new_zeros(len(image))
    if context.outside == "minimum":
        values = image.amin(dim=(1, 2, 3)) if outside is None else outside
    padded = values[:, None, None, None].repeat(1, *block)
    padded[:, *_box(first, image.shape[1:])] = image
    return padded


def _box(start: Sequence[int], size: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
