"""Which files of a BIDS dataset to take, as entities and values."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurograft.errors import InputError

ENTITIES = {
    "sub": "subject",
    "ses": "session",
    "acq": "acquisition",
    "ce": "ceagent",
    "rec": "reconstruction",
    "dir": "direction",
    "run": "run",
    "echo": "echo",
    "part": "part",
    "inv": "inv",
    "space": "space",
    "res": "res",
    "den": "den",
    "atlas": "atlas",
    "seg": "segmentation",
    "label": "label",
    "hemi": "hemi",
    "desc": "desc",
}
"""Entities as file names write them, and the names that pybids has for them."""


@dataclass(frozen=True)
class BidsFilters:
    """Filters for images and for label maps.

    Attributes:
        suffixes: image suffixes, one a channel.
        image: entity and value that an image must have.
        label_suffix: the label maps' suffix; ``None`` takes ``dseg``, else ``mask``.
        label: entity and value that a label map must have.
        label_pipeline: folder under ``derivatives/`` that label maps must lie in.
    """

    suffixes: tuple[str, ...]
    image: Mapping[str, str]
    label_suffix: str | None
    label: Mapping[str, str]
    label_pipeline: str | None

    @classmethod
    def parse(cls, filters: Mapping[str, str | Sequence[str]]) -> "BidsFilters":
        """Sort filters as the user writes them into those for images and those for label maps.

        Raises:
            InputError: an unknown filter, or an empty or repeated suffix.
        """
        rest = dict(filters)
        suffix = rest.pop("suffix", "T1w")
        pieces = suffix.split(",") if isinstance(suffix, str) else list(suffix)
        suffixes = tuple(piece.strip() for piece in pieces)
        if not suffixes or not all(suffixes) or len(set(suffixes)) < len(suffixes):
            raise InputError(f"suffix {suffix!r} must name each channel once", "Write for example T1w or T1w,FLAIR")
        label_suffix = rest.pop("label_suffix", None)
        pipeline = rest.pop("label_pipeline", None)
        image: dict[str, str] = {}
        label: dict[str, str] = {}
        for key, value in rest.items():
            entity = _entity(key.removeprefix("label_"))
            if entity is None:
                raise _unknown(key)
            target = label if key.startswith("label_") else image
            target[entity] = _value(value, key)
        return cls(
            suffixes,
            image,
            None if label_suffix is None else _value(label_suffix, "label_suffix"),
            label,
            None if pipeline is None else _value(pipeline, "label_pipeline"),
        )

    @property
    def asks_for_label(self) -> bool:
        """Whether anything was said of label maps."""
        return bool(self.label_suffix or self.label or self.label_pipeline)

    def accept_image(self, entities: Mapping[str, Any]) -> bool:
        """Whether a file with these entities is an image to take."""
        return _have(entities, self.image)

    def accept_label(self, entities: Mapping[str, Any], path: Path) -> bool:
        """Whether a file with these entities, at this path within the dataset, is a label map to take.

        A brain mask (``desc-brain_mask``) is never a label unless asked for by name.
        """
        brain_mask = entities.get("suffix") == "mask" and entities.get("desc") == "brain"
        if brain_mask and self.label.get("desc") != "brain":
            return False
        in_pipeline = self.label_pipeline is None or path.parts[:2] == ("derivatives", self.label_pipeline)
        return in_pipeline and _have(entities, self.label)

    def image_text(self) -> str:
        """The image filters as a file name would show them."""
        return _text("/".join(self.suffixes), self.image)

    def label_text(self) -> str:
        """The label filters as a file name would show them."""
        where = f" in derivatives/{self.label_pipeline}" if self.label_pipeline else ""
        return _text(self.label_suffix or "dseg/mask", self.label) + where


def _entity(key: str) -> str | None:
    if key in ENTITIES:
        return ENTITIES[key]
    return key if key in ENTITIES.values() else None


def _value(value: str | Sequence[str], key: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"filter {key!r} takes one value, got {value!r}", "Give one")
    short = next((short for short, entity in ENTITIES.items() if key.removeprefix("label_") in (short, entity)), None)
    return value.removeprefix(f"{short}-") if short else value


def _unknown(key: str) -> InputError:
    valid = sorted({"suffix", *ENTITIES.values()})
    valid += ["label_pipeline", *(f"label_{entity}" for entity in valid)]
    near = difflib.get_close_matches(key, valid, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return InputError(f"unknown BIDS filter {key!r}", f"{hint}Filters: {', '.join(valid)}")


def _have(entities: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    """Whether all wanted entities are there; numbers such as run 01 and 1 are one."""
    return all(same_value(entities.get(entity), value) for entity, value in wanted.items())


def same_value(a: Any, b: Any) -> bool:
    """Whether two entity values are the same, leading zeros of numbers aside."""
    if a is None or b is None:
        return a is b
    text_a, text_b = str(a), str(b)
    if text_a.isdigit() and text_b.isdigit():
        return int(text_a) == int(text_b)
    return text_a == text_b


def _text(suffix: str, filters: Mapping[str, str]) -> str:
    shorts = {entity: short for short, entity in ENTITIES.items()}
    return "_".join([*(f"{shorts[entity]}-{value}" for entity, value in filters.items()), suffix])
