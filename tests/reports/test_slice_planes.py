import dataclasses

import numpy as np
import pytest

from neurograft.reports.comparison import SliceExample
from neurograft.reports.slice_figure import slice_figure
from neurograft.reports.slice_planes import PLANES, Plane, box_of, largest_slice, planar, predicted_outside, view_of

AXIAL, CORONAL, SAGITTAL = PLANES


def example(
    shape: tuple[int, int, int] = (20, 24, 12), spacing: tuple[float, float, float] = (1, 1, 2)
) -> SliceExample:
    empty = np.zeros(shape, np.int16)
    return SliceExample("t", "c", "s", float("nan"), np.zeros(shape), empty, empty.copy(), spacing, ("LC",))


@pytest.mark.parametrize(
    ("plane", "place", "expected"),
    [
        # rows go up from the bottom, columns from the reader's left
        (AXIAL, (3, 0, 0), (0, 0)),  # the patient's right and back: left, bottom
        (AXIAL, (0, 4, 0), (4, 3)),  # left and front: right, top
        (CORONAL, (3, 0, 5), (5, 0)),  # right and up: left, top
        (SAGITTAL, (0, 4, 5), (5, 0)),  # front and up: left, top
    ],
)
def test_radiological_convention(plane: Plane, place: tuple[int, int, int], expected: tuple[int, int]) -> None:
    volume = np.zeros((4, 5, 6))
    volume[place] = 1
    picture = planar(volume, plane, place[plane.through])
    assert [tuple(at) for at in np.argwhere(picture)] == [expected]


def test_largest_slice_is_the_middle_of_equals() -> None:
    mask = np.zeros((4, 4, 9), bool)
    mask[1:3, 1:3, 3:6] = True
    mask[1, 1, 7] = True
    assert largest_slice(mask, 2) == 4


def test_view_is_in_mm_and_holds_the_structure() -> None:
    case = example(spacing=(1, 1, 3))
    case.truth[8:12, 10:14, 2:11] = 1
    view = view_of(case)
    assert view.centre_mm == (10, 12, 19.5)
    assert view.side_mm == pytest.approx(36)  # 27 mm with the margin is 39, and the image is 36 mm at most
    assert box_of(view, case) == (slice(0, 20), slice(0, 24), slice(0, 12))


def test_predictions_far_away_do_not_shrink_the_structure() -> None:
    case = example(shape=(100, 40, 40), spacing=(1, 1, 1))
    case.truth[10:14, 10:14, 10:14] = 1
    case.prediction[10:14, 10:14, 10:14] = 1
    case.prediction[90, 12, 12] = 1
    view = view_of(case)
    assert view.side_mm == pytest.approx(4 + 12 + 12)
    assert predicted_outside(case, view) == 1


def test_empty_masks_and_bad_voxels_are_drawn() -> None:
    case = example()
    view = view_of(case)
    case = dataclasses.replace(case, image=np.full(case.image.shape, np.nan))
    assert predicted_outside(case, view) == 0
    for plane in PLANES:
        assert slice_figure(case, plane, 3, view, "x").startswith("<svg")


def test_volumes_of_different_shapes_are_refused() -> None:
    case = example()
    with pytest.raises(ValueError, match="of one shape"):
        dataclasses.replace(case, truth=np.zeros((2, 2, 2)))
