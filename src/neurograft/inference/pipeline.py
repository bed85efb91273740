"""Read ahead and write behind: files are read and written while the work in between goes on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Done = TypeVar("Done")
Written = TypeVar("Written")


def pipelined(
    items: Sequence[Item],
    read: Callable[[Item], Read],
    work: Callable[[Read], Done],
    write: Callable[[Done], Written],
) -> Iterator[Written]:
    """Read, work and write item by item, each in a thread of its own, and give the results in order.

    One item is read ahead, and one waits to be written: three are in memory at most. An error
    comes out when its item's turn has come; items before it have been written by then.

    Args:
        items: in order.
        read: runs in a thread.
        work: runs in the caller's thread.
        write: runs in another thread.
    """
    with ThreadPoolExecutor(1, "reading") as reader, ThreadPoolExecutor(1, "writing") as writer:
        coming: Future[Read] | None = reader.submit(read, items[0]) if items else None
        going: Future[Written] | None = None
        try:
            for number in range(len(items)):
                here, coming = coming, None
                if here is None:
                    break
                found = here.result()
                if number + 1 < len(items):
                    coming = reader.submit(read, items[number + 1])
                done = work(found)
                del found
                if going is not None:
                    yield going.result()
                going = writer.submit(write, done)
                del done
        except BaseException:
            # What was finished is written, whatever befell its successor.
            if going is not None and (earlier := going.exception()) is not None:
                raise earlier from None
            raise
        finally:
            if coming is not None:
                coming.cancel()
        if going is not None:
            yield going.result()
