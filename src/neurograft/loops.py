"""Loops over voxels, compiled by Numba for the processor at hand.

Where PyTorch passes over memory once for each operation, a loop does all that is done to a voxel at once. For tensors
on a CPU only; what has a loop has its tensor operations beside it, for other devices.
"""

import pickle
import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numba
import numpy as np
import torch
from numba.extending import overload
from torch import Tensor

_ONE_AT_A_TIME = threading.Lock()
"""Numba's own threads, where it finds no OpenMP to use, serve one caller at a time."""
_KEPT_BADLY = (OSError, EOFError, pickle.UnpicklingError)
"""What comes of a file of compiled code that is cut off or another user's, and of a disk that is full."""
# What was compiled is found by the text of the loop's own file: who changes this touches those files too.
_compile = partial(numba.njit, parallel=True, nogil=True, error_model="numpy", fastmath={"contract"})


def compiled(loop: Callable[..., None]) -> Callable[..., None]:
    """A function that fills arrays, compiled when it is first called with arrays of such types.

    Its ``numba.prange`` loops run on as many threads as PyTorch's operations, and must not depend on their number.
    What was compiled is kept beside the source or in the user's cache, for later processes; where neither can be
    written or read, each process compiles anew, which takes some seconds.
    """
    try:
        function = _compile(cache=True)(loop)
    except RuntimeError:  # no folder for it
        function = _compile()(loop)

    @wraps(loop)
    def run(*arguments: Any) -> None:
        nonlocal function
        with _ONE_AT_A_TIME:
            _take_threads_of_pytorch()
            try:
                function(*arguments)
            except _KEPT_BADLY:
                function = _compile()(loop)
                function(*arguments)

    return run


def _take_threads_of_pytorch() -> None:
    """Let Numba use as many threads as PyTorch, and PyTorch as many as before.

    When Numba first starts its threads it sets those of OpenMP, which are PyTorch's, to all there are.
    """
    wanted = torch.get_num_threads()
    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(wanted, most))
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


def channels_last_lines(x: Tensor) -> Any:
    """(N, voxels x channels) of (N, C, D, H, W) that lies channels-last: float32, or the bits of bfloat16."""
    flat = x.detach().permute(0, 2, 3, 4, 1).view(len(x), -1)
    return (flat.view(torch.uint16) if x.dtype == torch.bfloat16 else flat).numpy()


def number_at(line: Any, place: Any) -> Any:
    """For loops: the float32 at a place of a line of float32 or of the bits of bfloat16."""


@overload(number_at)
def _number_at(line, place):  # type: ignore[no-untyped-def]
    def of_bits(line, place):  # type: ignore[no-untyped-def]
        return np.uint32(np.uint32(line[place]) << np.uint32(16)).view(np.float32)

    return of_bits if line.dtype == numba.uint16 else lambda line, place: line[place]


def put_number(line: Any, place: Any, number: Any) -> None:
    """For loops: put a float32 into such a line; bfloat16 takes the nearest, of two the even one."""


@overload(put_number)
def _put_number(line, place, number):  # type: ignore[no-untyped-def]
    def as_bits(line, place, number):  # type: ignore[no-untyped-def]
        bits = np.float32(number).view(np.uint32)
        rounded = np.uint32(bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
        # Of the numbers that are none, rounding makes some a zero.
        line[place] = np.uint16(0x7FC0) if number != number else np.uint16(rounded >> np.uint32(16))

    def as_it_is(line, place, number):  # type: ignore[no-untyped-def]
        line[place] = number

    return as_bits if line.dtype == numba.uint16 else as_it_is
