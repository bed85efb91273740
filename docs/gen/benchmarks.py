"""Copy the tables in ``benchmarks/results`` into ``docs/benchmarks.md``, unchanged, and their figures beside it.

Run ``python docs/gen/benchmarks.py`` after ``make bench`` or ``make bench-peers``. Each block between
``<!-- benchmark:NAME -->`` and ``<!-- end -->`` is filled from ``NAME.md``; blocks of what was not run stay.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
ASSETS = ROOT / "docs" / "assets"
BLOCK = re.compile(r"(<!-- benchmark:(?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FIGURE = re.compile(r"\]\((?P<file>[\w-]+\.svg)\)")


def main() -> int:
    """Fill every block whose table was made."""
    content = PAGE.read_text("utf-8")
    for match in list(BLOCK.finditer(content)):
        source = RESULTS / f"{match['name']}.md"
        if not source.is_file():
            sys.stderr.write(f"no table for {match['name']}\n")
            continue
        text = source.read_text("utf-8")
        for figure in FIGURE.finditer(text):
            shutil.copy(RESULTS / figure["file"], ASSETS / figure["file"])
        shown = FIGURE.sub(r"](assets/\g<file>)", text).strip()
        content = content.replace(match[0], f"{match[1]}\n{shown}\n\n{match[3]}")
    PAGE.write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
