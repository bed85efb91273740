import math

import numpy as np
import pytest

from neurograft.evaluation.biomarkers.volumes import (
    label_volumes_mm3,
    relative_volume_difference,
    volume_difference_mm3,
)


def test_label_volumes() -> None:
    labels = np.zeros((4, 4, 4), dtype=np.int16)
    labels[0, 0, :3] = 5
    labels[1] = 2
    assert label_volumes_mm3(labels, [2, 5, 9], voxel_volume_mm3=0.421875) == {2: 6.75, 5: 1.265625, 9: 0.0}


def test_differences_are_signed() -> None:
    assert volume_difference_mm3(100.0, 80.0) == -20.0
    assert relative_volume_difference(100.0, 80.0) == pytest.approx(-0.2)
    assert math.isnan(relative_volume_difference(0.0, 80.0))
