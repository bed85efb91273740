import pytest

from neurograft.phantoms.synthesis import read_look


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("Right-Thalamus-Proper", "thalamus"),
        ("left cerebral white matter", "cerebral white matter"),
        ("Left Cerebellum White Matter", "cerebellum white matter"),
        ("3rd Ventricle", "ventricle"),
        ("Right Inf Lat Vent", "lat vent"),
        ("Left MFG   middle frontal gyrus", "gyrus"),
        ("Brain Stem", "brain stem"),
        ("Left Accumbens Area", "accumbens"),
        ("bone-cortical", "bone"),
    ],
)
def test_names_find_their_row(name: str, row: str) -> None:
    found = read_look().of(name)
    assert found is not None
    assert found.name == row


def test_a_number_goes_before_the_name() -> None:
    found = read_look().of("left cerebral white matter", 25)
    assert found is not None
    assert found.name == "white matter lesion"
    assert read_look().of("left cerebral white matter", 4711) is None


def test_what_is_unknown() -> None:
    assert read_look().of("gizmo") is None
    # Part of a word is no word.
    assert read_look().of("subthalamus") is None


def test_tissues_stand_in_the_order_of_t1_weighted_images() -> None:
    order = ["white matter", "pallidum", "brain stem", "thalamus", "putamen", "caudate", "cortex", "csf", "air"]
    means = [row.mean for row in (read_look().of(name) for name in order) if row is not None]
    assert len(means) == len(order)
    assert means == sorted(means, reverse=True)


def test_no_number_and_no_name_stands_twice() -> None:
    rows = read_look().rows
    values = [value for row in rows for value in row.values]
    assert len(values) == len(set(values))
    assert len({row.name for row in rows}) == len(rows)
