import pytest

from neurograft.imaging.sides import pair_sides, split_side


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Left-Hippocampus", "Right-Hippocampus"),
        ("Hippocampus_L", "Hippocampus_R"),
        ("hippocampus.l", "hippocampus.r"),
        ("lh-cortex", "rh-cortex"),
        ("ctx-lh-cuneus", "ctx-rh-cuneus"),
        ("HippocampusLeft", "HippocampusRight"),
        ("LeftHippocampus", "RightHippocampus"),
        ("LEFT PUTAMEN", "RIGHT PUTAMEN"),
        ("Putamen (L)", "Putamen (R)"),
        ("Left AnG   angular gyrus", "Right AnG   angular gyrus"),
        ("left putamen", "Right Putamen"),
    ],
)
def test_names_that_differ_only_in_the_side_are_paired(left: str, right: str) -> None:
    assert split_side(left)[1] == "left"
    assert split_side(right)[1] == "right"
    assert pair_sides([right, "Brain Stem", left]) == ([(2, 0)], [])


@pytest.mark.parametrize("name", ["LCx", "RNp", "SNpc", "LC", "cleft", "bright spot", "leftover", "Left-Right border"])
def test_names_without_one_side_have_none(name: str) -> None:
    assert split_side(name)[1] is None


def test_sides_without_exactly_one_partner_are_named() -> None:
    names = ["Left Putamen", "Left Caudate", "Right Caudate", "lh caudate", "Pons"]
    assert pair_sides(names) == ([], ["Left Putamen", "Left Caudate", "Right Caudate", "lh caudate"])
