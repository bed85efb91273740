"""Rewrite a generated page, or only say whether it is up to date."""

import sys
from collections.abc import Callable
from pathlib import Path


def rewrite_page(page: Path, rewritten: Callable[[str], str]) -> int:
    """Rewrite the page; with ``--check`` write nothing, and give 1 when it is out of date.

    Args:
        page: the file.
        rewritten: from its text to what it should be.
    """
    before = page.read_text("utf-8")
    after = rewritten(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    page.write_text(after, "utf-8")
    return 0
