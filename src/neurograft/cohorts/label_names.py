"""A label table for sources that name no labels: the values that occur become ``label-<value>``."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map
from neurograft.imaging.labels import LabelTable

logger = logging.getLogger(__name__)


def gather_labels(label_maps: Sequence[Path], workers: int = 2) -> LabelTable:
    """Read every label map and name each value but 0 ``label-<value>``.

    A file that cannot be read is left out with a warning; it is reported in full by a check of
    the cohort, and reading it for training raises.
    """
    with ThreadPoolExecutor(workers) as pool:
        values = set().union(*pool.map(_values, label_maps))
    values.discard(0)
    return LabelTable.from_names({value: f"label-{value}" for value in sorted(values)})


def _values(path: Path) -> set[int]:
    try:
        return {int(value) for value in np.unique(read_label_map(path).data)}
    except InputError as error:
        logger.warning("label names are gathered without this file: %s", error)
        return set()
