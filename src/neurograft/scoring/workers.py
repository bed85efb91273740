"""How many processes and threads scoring takes on this machine."""

import os

CASES_A_WORKER = 16
"""Starting a process takes about as long as scoring this many small cases."""


def share_of_cores(wanted: int, cases: int) -> tuple[int, int]:
    """Share the cores between processes, or between threads where there are few cases.

    Args:
        wanted: processes; 0 leaves it to this function.
        cases: to be scored.

    Returns:
        Processes, no more than cases, and threads in each.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = max(1, min(wanted or min(cores, cases // CASES_A_WORKER), cases))
    return workers, max(1, cores // workers)
