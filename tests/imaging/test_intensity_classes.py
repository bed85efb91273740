import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses
from neurograft.imaging.labels import LabelTable

CLASSES = IntensityClasses((IntensityClass("wm", (2, 41)), IntensityClass("", (507,), is_whole=False)))


def test_values_become_classes_in_the_order_given() -> None:
    data = np.array([[[0, 2, 41, 507, 9, -3]]])
    assert CLASSES.to_classes(data).tolist() == [[[0, 1, 1, 2, 0, 0]]]


def test_a_class_for_every_value_of_a_label_table() -> None:
    table = LabelTable.from_names({3: "a", 5: "b", 7: "a", 8: "c"}).select(["b", "a"])
    classes = IntensityClasses.of_labels(table).classes
    assert [(each.structure, each.values, each.is_whole) for each in classes] == [
        ("b", (5,), True),
        ("a", (3,), True),
        ("a", (7,), False),
        ("", (8,), False),
    ]


def test_a_round_trip_through_plain_data() -> None:
    assert IntensityClasses.from_dict(CLASSES.to_dict()) == CLASSES


@pytest.mark.parametrize(
    ("values", "message"), [(((1, 2), (2,)), "value 2 is in two"), (((0, 1),), "value 0 is in an intensity class")]
)
def test_values_that_cannot_be_classes(values: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        IntensityClasses(tuple(IntensityClass("x", each) for each in values))
