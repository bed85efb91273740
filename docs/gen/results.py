"""Copy tables of demonstrations and studies into ``README.md`` and ``docs/results.md``, unchanged.

Run ``python docs/gen/results.py FOLDER|NAME=FILE ...`` with the folders that ``neurograft demo`` wrote, and a name
with the ``results/report.md`` of a study. Each
block between ``<!-- results:NAME -->`` and ``<!-- end -->`` is filled from ``NAME.md``: whole on the
page of results; in the README the table (of the mean of labels, where there are several) with the
run's command, seeds, date and machine.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- results:(?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SHORT = ("command", "seeds", "date", "hardware")


def short(text: str) -> str:
    """The table of a demonstration's Markdown, and a line on how it was made."""
    rows = text.split("\n\n", 1)[0].splitlines()
    means = [row for row in rows if "| mean of labels |" in row]
    table = "\n".join([*rows[:2], *means] if means else rows)
    facts = dict(re.findall(r"^- ([\w ]+): (.+)$", text, re.MULTILINE))
    return f"{table}\n\n" + "; ".join(f"{name}: {facts[name]}" for name in SHORT) + ".\n"


def main() -> int:
    """Fill every block whose table is given; 1 if a table that was named has no block."""
    files: dict[str, Path] = {}
    named: set[str] = set()
    for argument in sys.argv[1:]:
        name, _, file = argument.rpartition("=")
        named |= {name} - {""}
        files |= {name: Path(file)} if name else {found.stem: found for found in Path(argument).glob("*.md")}
    texts = {name: file.read_text("utf-8") for name, file in files.items()}
    missing, filled = set(), set()
    for page in (ROOT / "docs" / "results.md", ROOT / "README.md"):
        content = page.read_text("utf-8")
        for match in list(BLOCK.finditer(content)):
            if match["name"] not in texts:
                missing.add(match["name"])
                continue
            filled.add(match["name"])
            text = texts[match["name"]]
            shown = short(text) if page.name == "README.md" else text
            content = content.replace(match[0], f"{match[1]}\n{shown.strip()}\n\n{match[3]}")
        page.write_text(content, "utf-8")
    if missing:
        sys.stderr.write(f"left as they were: {', '.join(sorted(missing))}\n")
    if named - filled:
        sys.stderr.write(f"no block for {', '.join(sorted(named - filled))}\n")
    return 1 if named - filled else 0


if __name__ == "__main__":
    sys.exit(main())
