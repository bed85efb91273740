"""Loops compiled for the processor."""

import threading

import numba
import numpy as np
import pytest
import torch
from numba.core import caching

from neurograft.loops import compiled


def _count_up(filled) -> None:  # type: ignore[no-untyped-def]
    for place in numba.prange(len(filled)):
        filled[place] = 2 * place


def test_a_loop_fills_its_array_where_nothing_compiled_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator"):
        numba.njit(cache=True)(_count_up)
    filled = np.zeros(1000, np.int64)
    compiled(_count_up)(filled)
    np.testing.assert_array_equal(filled, np.arange(0, 2000, 2))


def test_a_loop_takes_as_many_threads_as_pytorch() -> None:
    fill, before = compiled(_count_up), torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            fill(np.zeros(10, np.int64))
            assert numba.get_num_threads() == min(threads, numba.config.NUMBA_NUM_THREADS)
        torch.set_num_threads(4 * numba.config.NUMBA_NUM_THREADS)
        fill(np.zeros(10, np.int64))
        assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
    finally:
        torch.set_num_threads(before)


def test_callers_at_once_each_have_their_own_result() -> None:
    fill = compiled(_count_up)
    arrays = [np.zeros(50_000, np.int64) for _ in range(4)]
    callers = [threading.Thread(target=fill, args=(array,)) for array in arrays]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for array in arrays:
        np.testing.assert_array_equal(array, np.arange(0, 100_000, 2))
