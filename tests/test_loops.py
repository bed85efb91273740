"""Loops compiled for the processor."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba.core import caching

from neurograft.loops import channels_last_lines, compiled, number_at, put_number

LOOP = """
import os, threading
import numba, numpy as np
from numba.core import caching
from neurograft.loops import compiled

if os.environ.get("FULL"):
    def full(*_):
        raise OSError(28, "No space left on device")
    caching.IndexDataCacheFile.save = full


@compiled
def count_up(filled):
    for place in numba.prange(len(filled)):
        filled[place] = 2 * place


def main():
    filled = np.zeros(3, np.int64)
    count_up(filled)
    print(*filled)


def one_thread():
    import torch

    torch.set_num_threads(1)
    main()
    print(torch.get_num_threads(), numba.get_num_threads())


def many():
    arrays = [np.zeros(500_000, np.int64) for _ in range(4)]
    callers = [threading.Thread(target=lambda array=array: [count_up(array) for _ in range(20)]) for array in arrays]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for array in arrays:
        print(bool((array == 2 * np.arange(500_000)).all()))
"""


def _count_up(filled) -> None:  # type: ignore[no-untyped-def]
    for place in numba.prange(len(filled)):
        filled[place] = 2 * place


def test_a_loop_fills_its_array_where_nothing_compiled_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # Older versions of Numba hide the name.
    implementation = getattr(caching, "CacheImpl", None) or caching._CacheImpl
    monkeypatch.setattr(implementation, "_locator_classes", [])
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


@pytest.mark.parametrize("damage", ["cut off", "no room"])
def test_a_loop_runs_where_what_was_kept_cannot_be_read_or_written(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "some_loop.py"
    source.write_text(LOOP, "utf-8")
    run = [sys.executable, "-c", "import some_loop; some_loop.main()"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    if damage == "cut off":
        subprocess.run(run, env=environment, cwd=tmp_path, check=True)
        kept = list(tmp_path.rglob("*.nbi"))
        assert kept, "the loop is kept"
        for file in kept:
            file.write_bytes(file.read_bytes()[:20])
    else:
        environment["FULL"] = "1"
    found = subprocess.run(run, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["0", "2", "4"]


def test_callers_at_once_each_have_their_own_result_from_numbas_own_threads(tmp_path: Path) -> None:
    (tmp_path / "some_loop.py").write_text(LOOP, "utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "NUMBA_THREADING_LAYER": "workqueue",
    }
    run = [sys.executable, "-c", "import some_loop; some_loop.many()"]
    found = subprocess.run(run, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["True"] * 4


def test_pytorch_keeps_its_number_of_threads_when_the_first_loop_runs(tmp_path: Path) -> None:
    (tmp_path / "some_loop.py").write_text(LOOP, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    run = [sys.executable, "-c", "import some_loop; some_loop.one_thread()"]
    found = subprocess.run(run, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["0", "2", "4", "1", "1"]


@compiled
def _copy_numbers(line, other) -> None:  # type: ignore[no-untyped-def]
    for start in numba.prange(len(line)):
        for place in range(len(line[start])):
            at = np.uintp(place)
            put_number(other[start], at, number_at(line[start], at))


@settings(deadline=None)
@example(np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000], np.uint32), (torch.float32, torch.bfloat16))
@given(
    numbers=arrays(np.uint32, st.integers(1, 40), elements=st.integers(0, 2**32 - 1)),
    kinds=st.sampled_from(
        [(torch.float32, torch.float32), (torch.float32, torch.bfloat16), (torch.bfloat16, torch.bfloat16)]
    ),
)
def test_numbers_are_read_and_rounded_as_pytorch_does(
    numbers: np.ndarray, kinds: tuple[torch.dtype, torch.dtype]
) -> None:
    """All bits of single precision: ties, numbers too small for their exponent, infinities, all that are no number."""
    single = torch.from_numpy(numbers.view(np.float32).copy()).view(1, -1, 1, 1, 1)
    x = single.to(kinds[0]).to(memory_format=torch.channels_last_3d)
    expected = x.to(kinds[1])
    found = torch.empty_like(expected)
    _copy_numbers(channels_last_lines(x), channels_last_lines(found))
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_lines_are_the_tensor_itself_voxel_by_voxel() -> None:
    x = torch.arange(24.0).reshape(1, 2, 2, 2, 3).to(memory_format=torch.channels_last_3d)
    line = channels_last_lines(x)
    assert line.shape == (1, 24)
    assert list(line[0, :4]) == [0, 12, 1, 13]
    line[0, 1] = -1
    assert x[0, 1, 0, 0, 0] == -1
