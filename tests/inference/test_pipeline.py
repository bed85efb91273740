"""Reading ahead and writing behind: order, overlap in time, and errors in their turn."""

import threading

import pytest

from neurograft.inference.pipeline import pipelined


def test_results_come_in_order() -> None:
    assert list(pipelined(range(20), lambda x: x + 1, lambda x: 2 * x, str)) == [str(2 * (x + 1)) for x in range(20)]
    assert list(pipelined([], str, str, str)) == []


def test_the_three_steps_run_at_the_same_time() -> None:
    """Each waits for the others: in one thread none would ever go on."""
    meeting = threading.Barrier(3, timeout=5)

    def meet(step: str, busy: range):
        def run(item: int) -> int:
            if item in busy:
                meeting.wait()
            return item

        return run

    # While item n is worked on, n + 1 is read and n - 1 written.
    steps = (meet("read", range(2, 6)), meet("work", range(1, 5)), meet("write", range(0, 4)))
    assert list(pipelined(range(6), *steps)) == list(range(6))


def test_at_most_three_items_are_in_memory() -> None:
    held: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def read(item: int) -> int:
        with lock:
            held.append(item)
            most.append(len(held))
        return item

    def write(item: int) -> int:
        with lock:
            held.remove(item)
        return item

    list(pipelined(range(30), read, lambda item: item, write))
    assert max(most) <= 3


@pytest.mark.parametrize("step", [0, 1, 2])
def test_an_error_comes_when_its_turn_has_come(step: int) -> None:
    written: list[int] = []

    def failing(item: int) -> int:
        if item == 2:
            raise KeyError("third")
        return item

    def write(item: int) -> int:
        if step == 2:
            failing(item)
        written.append(item)
        return item

    same = lambda item: item  # noqa: E731
    steps = [failing if step == 0 else same, failing if step == 1 else same, write]
    results = pipelined(range(5), *steps)
    found = []
    with pytest.raises(KeyError, match="third"):
        found.extend(iter(results))
    assert written[:2] == [0, 1]
    assert 2 not in written
