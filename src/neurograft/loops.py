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
import torch

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
