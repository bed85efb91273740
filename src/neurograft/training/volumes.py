"""How large the labels are in the cases that a model learns from."""

from collections.abc import Sequence

from neurograft.imaging.labels import IGNORE
from neurograft.models import VolumeRange, volume_ranges
from neurograft.training.cases import PreparedCase


def training_volumes(names: Sequence[str], cases: Sequence[PreparedCase]) -> list[VolumeRange]:
    """The range of each label's volume, by the cases whose label maps are annotated everywhere.

    Args:
        names: of the labels, in the order of the classes.
        cases: as prepared, so that volumes are those of the prepared grid.
    """
    if not names:
        return []
    measured = []
    for case in cases:
        if case.annotation.slices is not None or bool((case.example.target <= IGNORE).any()):
            continue
        voxels = case.example.voxels_by_class
        measured.append(
            {name: len(voxels.get(number, ())) * case.voxel_volume_mm3 for number, name in enumerate(names, start=1)}
        )
    return volume_ranges(names, measured)
