"""What public Decathlon downloads leave unsaid about their own cases.

The Decathlon's Task04 ships as 260 crops named by number. Two facts decide whether a split of
them is honest, and neither is in its ``dataset.json``: cases 2k-1 and 2k are the two
hemispheres of one person, and the images come in three intensity families that never mix
inside a person.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from neurograft.imaging.files import read_image

_HIPPOCAMPUS_CASE = re.compile(r"hippocampus_(\d{3})")
_FAMILY_C_MINIMUM_PEAK = 50_000.0
"""Peaks lie below 6 000 in family B and above 400 000 in family C."""


def is_msd_hippocampus(name: str, case_names: list[str]) -> bool:
    """Whether a Decathlon folder is Task04, by its title and the names of all its cases."""
    return name == "Hippocampus" and all(_HIPPOCAMPUS_CASE.fullmatch(case_name) for case_name in case_names)


def hippocampus_subject(case_name: str) -> str:
    """The person behind a crop: cases 2k-1 and 2k are one person's two hemispheres.

    Example:
        >>> hippocampus_subject("hippocampus_003"), hippocampus_subject("hippocampus_004")
        ('002', '002')
    """
    match = _HIPPOCAMPUS_CASE.fullmatch(case_name)
    if match is None:
        raise ValueError(f"{case_name!r} is not a case of the Decathlon's Task04")
    return f"{(int(match.group(1)) + 1) // 2:03d}"


def hippocampus_intensity_family(image: Path) -> str:
    """``A`` for images of whole numbers, else ``B``, or ``C`` where the peak is beyond 50 000.

    Raises:
        InputError: the image cannot be read.
    """
    voxels = read_image(image).data
    if np.array_equal(voxels, np.round(voxels)):
        return "A"
    return "C" if float(voxels.max()) > _FAMILY_C_MINIMUM_PEAK else "B"


def hippocampus_families(images: Mapping[str, Path], workers: int = 2) -> dict[str, str]:
    """The intensity family of each case."""
    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(images, pool.map(hippocampus_intensity_family, images.values()), strict=True))
