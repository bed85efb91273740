import math

import pytest

from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses
from neurograft.phantoms.synthesis import Tissues


def test_what_is_known_of_each_class(classes: IntensityClasses) -> None:
    tissues = Tissues.of(classes)
    assert tissues.t1_mean.tolist() == [0.03, 1.0, 1.0, 0.84, 0.84, 0.12, 0.74]
    assert tissues.in_brain.tolist() == [False, True, True, True, True, False, True]
    assert tissues.is_white.tolist() == [False, True, True, False, False, False, False]
    assert tissues.is_air.tolist() == [True] + [False] * 6
    assert tissues.pair.tolist() == [0, 1, 1, 3, 3, 5, 6]


def test_names_that_the_look_does_not_have_are_brain_and_numbers_head() -> None:
    tissues = Tissues.of(IntensityClasses((IntensityClass("gizmo", (1,)), IntensityClass("", (4711,), False))))
    assert all(math.isnan(mean) for mean in tissues.t1_mean[1:].tolist())
    assert tissues.in_brain.tolist() == [False, True, False]


def test_given_means_go_before_the_table_on_either_side(classes: IntensityClasses) -> None:
    tissues = Tissues.of(classes, {"Thalamus": 0.1, "white matter lesion": 0.2})
    assert tissues.t1_mean.tolist() == [0.03, 1.0, 1.0, 0.1, 0.1, 0.12, 0.2]


def test_a_mean_for_nothing_is_refused(classes: IntensityClasses) -> None:
    with pytest.raises(InputError, match=r"'putamen', which no intensity class is.*thalamus"):
        Tissues.of(classes, {"putamen": 0.5})
