"""A 3x3x3 convolution in bfloat16 whose weights' gradient is made of tiles, on a channels-last tensor of a CPU.

The gradient is a product of matrices for each of the 27 shifts, over all voxels: of shifted input channels by voxels,
and of voxels by output channels. Voxels come in pairs along the last axis; both sides are laid out so, plane by plane,
and multiplied in pieces that stay in the processor's cache. What lies outside counts as zero, and is multiplied.
"""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neurograft.loops import channels_last_lines, compiled, number_at
from neurograft.networks.bf16_tile import LANES, pair_up, tile

PARTS = 32
"""Blocks of channels and runs of planes that are worked on apart, at least, where there are so many; the threads share
them out, so that the answer does not depend on their number."""
FEWEST_PLANES = 4
"""Of a run, since each lays out its neighbours' planes of gradient as well."""
MOST_PAIRS = 80
"""Worked on together, in whole lines: both sides' pieces of so many stay in the first cache."""

_add_products_8x32 = tile(8, 2)
_add_products_16x16 = tile(16, 1)


class Convolved(torch.autograd.Function):
    """A convolution of stride 1 and padding 1; channels in multiples of `LANES`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: D102
        x, half = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, half)
        ctx.kinds = weight.dtype, None if bias is None else bias.dtype
        return torch.conv3d(x, half, None if bias is None else bias.bfloat16(), padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        x, weight = ctx.saved_tensors
        gradient = gradient.bfloat16().contiguous(memory_format=torch.channels_last_3d)
        of_input = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            settings = (None, [1] * 3, [1] * 3, [1] * 3, False, [0] * 3, 1, [True, False, False])
            of_input = torch.ops.aten.convolution_backward(gradient, x, weight, *settings)[0]
        if any(ctx.needs_input_grad[1:]):
            of_weight, of_bias = gradients(x, gradient, with_bias=ctx.needs_input_grad[2])
            of_weight = of_weight.to(ctx.kinds[0])
            of_bias = of_bias.to(ctx.kinds[1]) if ctx.needs_input_grad[2] else None
        return of_input, of_weight, of_bias


def gradients(x: Tensor, gradient: Tensor, with_bias: bool) -> tuple[Tensor, Tensor]:
    """Those of weights, (K, C, 3, 3, 3), and of a bias, (K,), in single precision.

    Args:
        x: what was convolved, (N, C, D, H, W), bfloat16 and channels-last.
        gradient: of the answer, (N, K, D, H, W), of the same kind.
        with_bias: else the second is zero.
    """
    samples, channels, *size = x.shape
    filters = gradient.shape[1]
    many, wide = (2 * LANES if count % (2 * LANES) == 0 else LANES for count in (channels, filters))
    blocks = (channels // many) * (filters // wide)
    runs = max(1, min(samples * size[0] // FEWEST_PLANES, -(-PARTS // blocks)))
    sums = np.empty((blocks, runs, 27 * many * wide), np.float32)
    bias_sums = np.zeros((filters // wide, runs, wide), np.float32)
    of_weight = torch.empty(filters, 3, 3, 3, channels)
    lines = (_planes(x), _planes(gradient))
    shape = (*size, channels, filters)
    _fill_gradient(*lines, shape, sums, bias_sums, with_bias, of_weight.view(filters, 27, channels).numpy())
    return of_weight.permute(0, 4, 1, 2, 3), torch.from_numpy(bias_sums.sum(1).reshape(-1))


def _planes(x: Tensor) -> Any:
    """The bits of (N, C, D, H, W) as (N x D, H x W x C)."""
    return channels_last_lines(x).reshape(x.shape[0] * x.shape[2], -1)


@numba.njit
def _aligned(room):  # type: ignore[no-untyped-def]
    """What of some room begins with a line of the cache."""
    return room[(64 - room.ctypes.data % 64) % 64 // 4 :]


@numba.njit
def _pair_up(plane, low, high, pairs, place, count):  # type: ignore[no-untyped-def]
    """Lay a voxel's channels in the lower bits beside another one's in the upper; a multiple of `LANES` of them."""
    for start in range(0, count, LANES):
        at = np.uintp(start)
        pair_up(plane, low + at, high + at, pairs, place + at)  # type: ignore[call-arg]


@numba.njit
def _pair_with_nothing(plane, voxel, pairs, place, count, shift):  # type: ignore[no-untyped-def]
    for start in range(0, count, LANES):
        for lane in range(LANES):
            at = np.uintp(start + lane)
            pairs[place + at] = np.uint32(plane[voxel + at]) << shift


@numba.njit
def _lay_out_input(plane, size, first, count, pairs):  # type: ignore[no-untyped-def]
    """Each voxel of a line with the next, from the one before the line on: a shift by one is the pair after."""
    height, width, channels = size
    length = 2 * ((width + 1) // 2) + 1
    for line in range(height):
        for number in range(length):
            place = np.uintp((line * length + number) * count)
            high = np.uintp((line * width + number) * channels + first)
            low = high - np.uintp(channels)
            if 0 < number < width:
                _pair_up(plane, low, high, pairs, place, count)
            elif number == 0:
                _pair_with_nothing(plane, high, pairs, place, count, np.uint32(16))
            elif number == width:
                _pair_with_nothing(plane, low, pairs, place, count, np.uint32(0))
            else:
                pairs[place : place + np.uintp(count)] = np.uint32(0)


@numba.njit
def _lay_out_gradient(plane, size, first, count, pairs, begin):  # type: ignore[no-untyped-def]
    """Every second voxel of a line with the one after it."""
    height, width, filters = size
    length = (width + 1) // 2
    for line in range(height):
        for number in range(length):
            place = np.uintp(begin + (line * length + number) * count)
            low = np.uintp((line * width + 2 * number) * filters + first)
            if 2 * number + 1 < width:
                _pair_up(plane, low, low + np.uintp(filters), pairs, place, count)
            else:
                _pair_with_nothing(plane, low, pairs, place, count, np.uint32(0))


@numba.njit
def _add_up(plane, size, first, total):  # type: ignore[no-untyped-def]
    """Add a plane's numbers to the totals of some channels."""
    height, width, filters = size
    for voxel in range(height * width):
        start = np.uintp(voxel * filters + first)
        for k in range(len(total)):
            total[k] += number_at(plane, start + np.uintp(k))


@numba.njit
def _add_products(left, right, begin, size, depth, sums, many, wide):  # type: ignore[no-untyped-def]
    """Add the products of two planes for nine shifts, a piece of some lines at a time."""
    height, width = size
    length = (width + 1) // 2
    left_line, right_line = (2 * length + 1) * many, length * wide
    together = max(1, MOST_PAIRS // length)
    for start in range(0, height, together):
        stop = min(height, start + together)
        for down in range(3):
            first, last = max(start, 1 - down), min(stop, height + 1 - down)
            if first >= last:
                continue
            left_from, right_from = (first + down - 1) * left_line, begin + first * right_line
            for across in range(3):
                sums_from = ((depth * 3 + down) * 3 + across) * many * wide
                shape = (last - first, length, left_line, 2 * many, right_line)
                for row in range(0, many, 16 if wide == LANES else 8):
                    left_at, sums_at = left_from + across * many + row, sums_from + row * wide
                    if wide == LANES:
                        _add_products_16x16(left, left_at, right, right_from, sums, sums_at, *shape)
                    else:
                        _add_products_8x32(left, left_at, right, right_from, sums, sums_at, *shape)


@compiled
def _fill_gradient(x, gradient, shape, sums, bias_sums, with_bias, filled) -> None:  # type: ignore[no-untyped-def]
    depth, height, width, channels, filters = shape
    planes = len(x)
    blocks, runs, _ = sums.shape
    across, _, wide = bias_sums.shape
    many = channels * across // blocks
    length = (width + 1) // 2
    for task in numba.prange(blocks * runs):
        run, block = task // blocks, task % blocks
        first_channel, column = block // across * many, block % across
        total = sums[block, run]
        total[:] = np.float32(0)
        bias_total = np.zeros(wide, np.float32)
        left = _aligned(np.empty(LANES + height * (2 * length + 1) * many, np.uint32))
        size = height * length * wide
        right = _aligned(np.empty(LANES + 3 * size, np.uint32))
        held = np.full(3, -1)
        for plane in range(run * planes // runs, (run + 1) * planes // runs):
            _lay_out_input(x[plane], (height, width, channels), first_channel, many, left)
            if with_bias and first_channel == 0:
                _add_up(gradient[plane], (height, width, filters), column * wide, bias_total)
            for shift in range(3):
                other = plane + 1 - shift
                if plane // depth != other // depth:  # of another sample, or outside
                    continue
                slot = other % 3
                if held[slot] != other:
                    _lay_out_gradient(
                        gradient[other], (height, width, filters), column * wide, wide, right, slot * size
                    )
                    held[slot] = other
                _add_products(left, right, slot * size, (height, width), shift, total, many, wide)
        if first_channel == 0:
            bias_sums[column, run] = bias_total
    for block in numba.prange(blocks):
        first_channel, first_filter = block // across * many, block % across * wide
        total = np.empty(wide, np.float32)
        for row in range(27 * many):
            total[:] = np.float32(0)
            for run in range(runs):
                for k in range(wide):
                    total[k] += sums[block, run, row * wide + k]
            for k in range(wide):
                filled[first_filter + k, row // many, first_channel + row % many] = total[k]
