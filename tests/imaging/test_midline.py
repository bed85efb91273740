"""Left and right of the midline, whatever the order of a volume's axes."""

import nibabel
import numpy as np
import pytest

from neurograft.imaging.grid import Grid
from neurograft.imaging.midline import right_half

AFFINES = {
    "RAS": np.array([[2.0, 0, 0, -3], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]),
    "LAS": np.array([[-2.0, 0, 0, 3], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]),
    "turned": np.array([[0, 0.5, 1.0, -2.2], [0, 2, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize("name", AFFINES)
def test_each_voxel_is_where_its_centre_lies(name: str) -> None:
    affine = AFFINES[name]
    right = right_half(Grid.from_affine((4, 3, 5), affine))
    assert right.shape == (4, 3, 5)
    for voxel in np.ndindex(4, 3, 5):
        assert right[voxel] == (nibabel.affines.apply_affine(affine, voxel)[0] > 0)


def test_the_plane_can_be_moved_and_belongs_to_the_left() -> None:
    grid = Grid.from_affine((4, 1, 1), AFFINES["RAS"])
    assert right_half(grid, midline_mm=1.0).ravel().tolist() == [False, False, False, True]
