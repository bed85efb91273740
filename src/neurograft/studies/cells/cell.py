"""What a cell is, and the hash that names it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

ID_LENGTH = 24
"""Hexadecimal digits of a cell's name: 96 bits, so that a million cells do not collide."""


@dataclass(frozen=True)
class Cell:
    """A piece of work that depends on nothing but its specification and the results of other cells.

    Attributes:
        kind: what is done; see `neurograft.studies.cells.kinds`.
        spec: plain JSON data that decides the result. Long parts are named by their hash and kept
            once, in the study's blocks.
        after: identifiers of the cells whose results it reads.
        title: for people; does not decide anything.
    """

    kind: str
    spec: Mapping[str, Any]
    after: tuple[str, ...] = ()
    title: str = field(default="", compare=False)

    @cached_property
    def id(self) -> str:
        """The cell's name: the hash of all that decides its result."""
        return content_hash({"kind": self.kind, "spec": self.spec, "after": list(self.after)})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, from which `from_dict` makes the cell again."""
        return {"id": self.id, "kind": self.kind, "title": self.title, "after": list(self.after), "spec": self.spec}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Cell":
        """Read what `to_dict` wrote."""
        return cls(content["kind"], content["spec"], tuple(content["after"]), content["title"])


def content_hash(content: Any) -> str:
    """The hash of plain JSON data, whatever the order of its keys.

    Raises:
        TypeError: the content is not plain data.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]
