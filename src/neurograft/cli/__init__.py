"""The command line: one thin module a command."""

from neurograft.cli.main import main

__all__ = ["main"]
