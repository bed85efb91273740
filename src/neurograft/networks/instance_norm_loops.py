"""Instance norm with its activation on a CPU, and its gradient: two passes over a channels-last tensor each."""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from neurograft.loops import channels_last_lines, compiled, number_at, put_number

# What these loops do does not depend on the number of threads: they always share out the same parts.
PARTS = 32
ROW = 128
"""Numbers that are worked on together, where so many channels or fewer; a row holds whole voxels."""
ROWS_FOR_SHIFT = 16
MOST_CHANNELS = 1024
# Columns of one table, so that the compiler sees that they do not overlap; a power of two would put them into the
# same places of the processor's cache.
_COLUMN = MOST_CHANNELS + 16
SCALE, SHIFT, WEIGHT, BIAS, TOTAL, PRODUCTS = (np.uintp(n * _COLUMN) for n in range(6))
TABLE = 6 * _COLUMN


class NormalisedAndActivated(torch.autograd.Function):
    """Instance norm, then a leaky ReLU; nothing is kept for the gradient but the input and its statistics."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, slope: float) -> Tensor:  # noqa: D102
        statistics = torch.empty(2, x.shape[0], x.shape[1])
        activated = torch.empty_like(x, memory_format=torch.channels_last_3d)
        tables = (statistics.numpy(), weight.detach().numpy(), bias.detach().numpy())
        numbers = (np.float32(eps), np.float32(slope))
        _fill_activated(channels_last_lines(x), *tables, *numbers, channels_last_lines(activated))
        ctx.save_for_backward(x, weight, bias, statistics)
        ctx.slope = slope
        return activated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        x, weight, bias, statistics = ctx.saved_tensors
        x, gradient = (each.contiguous(memory_format=torch.channels_last_3d) for each in (x, gradient))
        sums = torch.empty_like(statistics)
        of_input = torch.empty_like(x, memory_format=torch.channels_last_3d)
        tables = (statistics.numpy(), weight.detach().numpy(), bias.detach().numpy(), np.float32(ctx.slope))
        lines = (channels_last_lines(x), channels_last_lines(gradient))
        _fill_gradient(*lines, *tables, sums.numpy(), channels_last_lines(of_input))
        of_bias, of_weight = sums.sum(1)
        return of_input, of_weight, of_bias, None, None


@numba.njit
def _row_length(channels):  # type: ignore[no-untyped-def]
    return channels * max(1, ROW // channels)


@numba.njit
def _span(part, length, wide):  # type: ignore[no-untyped-def]
    """The first row of a part, and the one after its last; the last row of all may be shorter."""
    rows = (length + wide - 1) // wide
    return part * rows // PARTS, (part + 1) * rows // PARTS


@numba.njit
def _set(table, place, of_channels, wide):  # type: ignore[no-untyped-def]
    """Put the numbers of channels, again and again, into a column of a table."""
    for start in range(0, wide, len(of_channels)):
        for channel in range(len(of_channels)):
            table[place + np.uintp(start + channel)] = of_channels[channel]


@numba.njit
def _set_norm(table, mean, scale, weight, bias, wide):  # type: ignore[no-untyped-def]
    _set(table, SCALE, scale, wide)
    _set(table, SHIFT, -mean * scale, wide)
    _set(table, WEIGHT, weight, wide)
    _set(table, BIAS, bias, wide)


@numba.njit
def _set_shift(line, start, stop, wide, table):  # type: ignore[no-untyped-def]
    """Put each column's mean over some rows: near the mean of all, so that sums of differences to it are small."""
    rows = (stop - start) // wide
    for row in range(rows):
        for k in range(min(wide, len(line) - start - row * wide)):
            at = np.uintp(k)
            table[SHIFT + at] += number_at(line, np.uintp(start + row * wide) + at) / np.float32(rows)


@numba.njit
def _add_up(line, start, count, table):  # type: ignore[no-untyped-def]
    for k in range(count):
        at = np.uintp(k)
        difference = number_at(line, start + at) - table[SHIFT + at]
        table[TOTAL + at] += difference
        table[PRODUCTS + at] += difference * difference


@numba.njit
def _activate(line, start, count, table, slope, filled):  # type: ignore[no-untyped-def]
    for k in range(count):
        at = np.uintp(k)
        normalised = number_at(line, start + at) * table[WEIGHT + at] + table[BIAS + at]
        put_number(filled, start + at, normalised if normalised > np.float32(0) else normalised * slope)


@numba.njit
def _add_up_products(line, gradient, start, count, table, slope):  # type: ignore[no-untyped-def]
    for k in range(count):
        at = np.uintp(k)
        standard = number_at(line, start + at) * table[SCALE + at] + table[SHIFT + at]
        incoming = number_at(gradient, start + at)
        passes = standard * table[WEIGHT + at] + table[BIAS + at] > np.float32(0)
        passed = incoming if passes else incoming * slope
        table[TOTAL + at] += passed
        table[PRODUCTS + at] += passed * standard


@numba.njit
def _project(line, gradient, start, count, table, slope, filled):  # type: ignore[no-untyped-def]
    for k in range(count):
        at = np.uintp(k)
        standard = number_at(line, start + at) * table[SCALE + at] + table[SHIFT + at]
        incoming = number_at(gradient, start + at)
        passes = standard * table[WEIGHT + at] + table[BIAS + at] > np.float32(0)
        passed = incoming if passes else incoming * slope
        rest = passed - table[TOTAL + at] - standard * table[PRODUCTS + at]
        put_number(filled, start + at, table[SCALE + at] * table[WEIGHT + at] * rest)


@numba.njit
def _mean_and_variance(parts, length, wide, channel, channels):  # type: ignore[no-untyped-def]
    """Of a channel, from each column's shift and sums of differences to it (Chan, Golub, LeVeque 1983)."""
    total, mean, squares = 0.0, 0.0, 0.0
    for part in range(PARTS):
        first, last = _span(part, length, wide)
        for column in range(channel, wide, channels):
            count = float(last - first)
            if last * wide - wide + column >= length:  # the last row does not reach so far
                count -= 1.0
            if count <= 0.0:
                continue
            difference = parts[part, 1, column] / count
            deviation = parts[part, 2, column] - parts[part, 1, column] * difference
            step = parts[part, 0, column] + difference - mean
            squares += deviation + step * step * total * count / (total + count)
            total += count
            mean += step * count / total
    return mean, max(squares / total, 0.0)


@compiled
def _fill_activated(x, statistics, weight, bias, eps, slope, filled) -> None:  # type: ignore[no-untyped-def]
    samples, length = x.shape
    channels = len(weight)
    wide = _row_length(channels)
    parts = np.empty((samples, PARTS, 3, wide), np.float32)
    for task in numba.prange(samples * PARTS):
        sample, part = task // PARTS, task % PARTS
        first, last = _span(part, length, wide)
        line, table = x[sample], np.zeros(TABLE, np.float32)
        _set_shift(line, first * wide, min(last, first + ROWS_FOR_SHIFT) * wide, wide, table)
        for row in range(first, last):
            start, count = np.uintp(row * wide), min(wide, length - row * wide)
            _add_up(line, start, count, table)
        for k in range(wide):
            parts[sample, part, 0, k] = table[SHIFT + np.uintp(k)]
            parts[sample, part, 1, k] = table[TOTAL + np.uintp(k)]
            parts[sample, part, 2, k] = table[PRODUCTS + np.uintp(k)]
    for task in numba.prange(samples * channels):
        sample, channel = task // channels, task % channels
        mean, variance = _mean_and_variance(parts[sample], length, wide, channel, channels)
        statistics[0, sample, channel] = mean
        statistics[1, sample, channel] = 1.0 / np.sqrt(variance + eps)
    for task in numba.prange(samples * PARTS):
        sample, part = task // PARTS, task % PARTS
        first, last = _span(part, length, wide)
        line, outgoing, table = x[sample], filled[sample], np.empty(TABLE, np.float32)
        scale = statistics[1, sample] * weight
        _set(table, WEIGHT, scale, wide)
        _set(table, BIAS, bias - statistics[0, sample] * scale, wide)
        for row in range(first, last):
            start, count = np.uintp(row * wide), min(wide, length - row * wide)
            _activate(line, start, count, table, slope, outgoing)


@compiled
def _fill_gradient(x, gradient, statistics, weight, bias, slope, sums, filled) -> None:  # type: ignore[no-untyped-def]
    samples, length = x.shape
    channels = len(weight)
    wide = _row_length(channels)
    parts = np.empty((samples, PARTS, 2, wide), np.float32)
    for task in numba.prange(samples * PARTS):
        sample, part = task // PARTS, task % PARTS
        first, last = _span(part, length, wide)
        line, incoming, table = x[sample], gradient[sample], np.zeros(TABLE, np.float32)
        _set_norm(table, statistics[0, sample], statistics[1, sample], weight, bias, wide)
        for row in range(first, last):
            start, count = np.uintp(row * wide), min(wide, length - row * wide)
            _add_up_products(line, incoming, start, count, table, slope)
        for k in range(wide):
            parts[sample, part, 0, k] = table[TOTAL + np.uintp(k)]
            parts[sample, part, 1, k] = table[PRODUCTS + np.uintp(k)]
    for task in numba.prange(samples * channels):
        sample, channel = task // channels, task % channels
        total, product = 0.0, 0.0
        for part in range(PARTS):
            for column in range(channel, wide, channels):
                total += parts[sample, part, 0, column]
                product += parts[sample, part, 1, column]
        sums[0, sample, channel] = total
        sums[1, sample, channel] = product
    voxels = np.float32(length // channels)
    for task in numba.prange(samples * PARTS):
        sample, part = task // PARTS, task % PARTS
        first, last = _span(part, length, wide)
        line, incoming, outgoing = x[sample], gradient[sample], filled[sample]
        table = np.empty(TABLE, np.float32)
        _set_norm(table, statistics[0, sample], statistics[1, sample], weight, bias, wide)
        _set(table, TOTAL, sums[0, sample] / voxels, wide)
        _set(table, PRODUCTS, sums[1, sample] / voxels, wide)
        for row in range(first, last):
            start, count = np.uintp(row * wide), min(wide, length - row * wide)
            _project(line, incoming, start, count, table, slope, outgoing)
