"""Demonstrations: the whole job, on made scans and on real ones."""

from neurograft.demos.run import run_demo

__all__ = ["run_demo"]
