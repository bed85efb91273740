"""Rewrite the option tables of ``docs/reference/commands.md`` from the program itself.

Run ``python docs/gen/commands.py`` after a change to the command line; with ``--check`` the exit
status says whether the page is up to date, and nothing is written.
"""

import re
from pathlib import Path
from typing import Any

import typer
from page_rewriting import rewrite_page

from neurograft.cli.main import app

PAGE = Path(__file__).parents[1] / "reference" / "commands.md"
BLOCK = re.compile(r"(<!-- options: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def options_table(command: Any) -> str:
    """A Markdown table of a command's arguments and options, without ``--help``."""
    rows = ["| argument or option | default | meaning |", "|---|---|---|"]
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            name = f"`{parameter.metavar or parameter.name.upper()}`"
        else:
            name = ", ".join(f"`{text}`" for text in (*parameter.opts, *parameter.secondary_opts))
            name += " (repeatable)" if parameter.multiple else ""
        silent = parameter.default is None or isinstance(parameter.default, bool)
        default = "required" if parameter.required else "" if silent else f"`{parameter.default}`"
        meaning = (parameter.help or "").replace("|", "\\|")
        rows.append(f"| {name} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def rewritten(page: str) -> str:
    """The page with every table made anew.

    Raises:
        KeyError: the page names a command that does not exist.
    """
    root: Any = typer.main.get_command(app)

    def block(match: re.Match[str]) -> str:
        command = root
        for part in match["name"].split():
            command = command.commands[part]
        return f"{match[1]}\n{options_table(command)}\n{match[3]}"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    raise SystemExit(rewrite_page(PAGE, rewritten))
