"""Dataclasses and arrays as plain JSON data and back, to the bit, without running anything that a file names."""

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from neurograft.cohorts import Case, Cohort
from neurograft.evaluation.lesions.detection import LesionTable
from neurograft.evaluation.lesions.matching import LesionMatches
from neurograft.evaluation.overlap.counts import LabelCounts
from neurograft.evaluation.policies import Policies
from neurograft.imaging.cropping import Box
from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses
from neurograft.imaging.labels import Label, LabelTable
from neurograft.inference.regions import Region
from neurograft.scoring.measuring import CaseMeasures
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.pairing import Pair
from neurograft.scoring.reading import LabelTables

IS, OF = "is", "of"
"""Keys of whatever is not plain by itself: what it is, and what it is made of."""

KNOWN = {
    kind.__name__: kind
    for kind in (
        Box, Case, CaseMeasures, Cohort, IntensityClass, IntensityClasses, Label, LabelCounts, LabelTable, LabelTables,
        LesionMatches, LesionTable, Pair, Policies, Region, ScoringOptions,
    )
}  # fmt: skip
"""All that is ever made from a file."""


def to_plain(value: Any) -> Any:
    """Plain JSON data that `from_plain` turns into an equal value.

    Raises:
        TypeError: a value of a kind that is not provided for.
    """
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, tuple):
        return {IS: "tuple", OF: [to_plain(item) for item in value]}
    if isinstance(value, frozenset):
        return {IS: "frozenset", OF: [to_plain(item) for item in sorted(value)]}
    if isinstance(value, Mapping):
        return {IS: "mapping", OF: [[to_plain(key), to_plain(item)] for key, item in value.items()]}
    if isinstance(value, PurePath):
        return {IS: "path", OF: str(value)}
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError("arrays of Python objects are not written")
        text = base64.b64encode(array.tobytes()).decode()
        # An array of no axes becomes one of one axis on the way.
        shape = list(value.shape)
        return {IS: "scalar" if isinstance(value, np.generic) else "array", OF: [array.dtype.str, shape, text]}
    if is_dataclass(value) and KNOWN.get(type(value).__name__) is type(value):
        own = {field.name: to_plain(getattr(value, field.name)) for field in fields(value) if field.init}
        return {IS: type(value).__name__, OF: own}
    raise TypeError(f"{type(value).__name__} is not written as plain data")


def from_plain(content: Any) -> Any:
    """The value that `to_plain` wrote.

    Raises:
        ValueError: data of another origin.
    """
    if isinstance(content, list):
        return [from_plain(item) for item in content]
    if not isinstance(content, dict):
        return content
    try:
        kind, parts = content[IS], content[OF]
        if kind == "tuple":
            return tuple(from_plain(item) for item in parts)
        if kind == "frozenset":
            return frozenset(from_plain(item) for item in parts)
        if kind == "mapping":
            return {from_plain(key): from_plain(item) for key, item in parts}
        if kind == "path":
            return Path(parts)
        if kind in ("array", "scalar"):
            dtype, shape, text = parts
            array = np.frombuffer(base64.b64decode(text), np.dtype(dtype)).reshape(shape)
            return array[()] if kind == "scalar" else array.copy()
        return KNOWN[kind](**{name: from_plain(item) for name, item in parts.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"no plain data of ours: {error}") from error
