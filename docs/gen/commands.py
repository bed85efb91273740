"""Rewrite the option tables of ``docs/reference/commands.md`` from the program itself.

Run ``python docs/gen/commands.py`` after a change to the command line; with ``--check`` the exit
status says whether the page is up to date, and nothing is written. A command without a section of
its own is an error either way.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from page_rewriting import rewrite_page

from neurograft.cli.main import app

PAGE = Path(__file__).parents[1] / "reference" / "commands.md"
BLOCK = re.compile(r"(<!-- options: (?P<name>[\w -]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def options_table(command: Any) -> str:
    """A Markdown table of a command's arguments and options, without ``--help``; a sentence where there are none."""
    rows = []
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
    if not rows:
        return "No arguments or options.\n"
    return "\n".join(["| argument or option | default | meaning |", "|---|---|---|", *rows]) + "\n"


def commands_of(group: Any, above: str = "") -> Iterator[str]:
    """The names of all commands that do something, such as ``data check``, as ``--help`` lists them."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{above}{name} ")
        else:
            yield f"{above}{name}"


def rewritten(page: str) -> str:
    """The page with every table made anew.

    Raises:
        KeyError: the page names a command that does not exist.
        SystemExit: a command has no section on the page.
    """
    root: Any = typer.main.get_command(app)
    described = {match["name"] for match in BLOCK.finditer(page)}
    missing = [name for name in commands_of(root) if name not in described]
    if missing:
        raise SystemExit(f"{PAGE.name} has no section with options for: {', '.join(missing)}")

    def block(match: re.Match[str]) -> str:
        command = root
        for part in match["name"].split():
            command = command.commands[part]
        return f"{match[1]}\n{options_table(command)}\n{match[3]}"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    raise SystemExit(rewrite_page(PAGE, rewritten))
