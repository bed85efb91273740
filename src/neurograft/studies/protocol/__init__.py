"""A study as a file: what it compares, on whom, and the cells that follow from it."""

from neurograft.studies.protocol.loading import load_protocol, protocol_names
from neurograft.studies.protocol.schema import Protocol

__all__ = ["Protocol", "load_protocol", "protocol_names"]
