import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, label

from neurograft.phantoms.anatomy import STRUCTURES
from neurograft.phantoms.groups import group_of
from neurograft.phantoms.raters import MANNERS, rater_labels
from neurograft.phantoms.subject import drawn_subject, midbrain_subject, render_subject

SEED, PEOPLE = 11, 12


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.fixture(scope="module")
def drawings():
    found = []
    for index in range(PEOPLE):
        draw = drawn_subject(index, SEED, group_of(index))
        person = render_subject(draw)
        found.append(
            {
                "truth": person.labels,
                "rater1": rater_labels(person, draw, "rater1", index, SEED),
                "again": rater_labels(person, draw, "rater1", index, SEED, session=2),
                "rater2": rater_labels(person, draw, "rater2", index, SEED),
            }
        )
    return found


@pytest.mark.parametrize(
    ("name", "first", "second", "low", "high"),
    [
        ("LC", "rater1", "rater2", 0.54, 0.64),
        ("LC", "rater1", "again", 0.65, 0.74),
        ("SNpc", "rater1", "rater2", 0.77, 0.83),
    ],
)
def test_drawings_agree_as_published(drawings, name, first, second, low, high):
    value = STRUCTURES[name]
    scores = [dice(person[first] == value, person[second] == value) for person in drawings]
    assert low <= np.mean(scores) <= high
    assert 0.02 < np.std(scores) < 0.12


def test_raters_are_nearer_to_the_truth_than_to_each_other(drawings):
    for value in STRUCTURES.values():
        between = np.mean([dice(person["rater1"] == value, person["rater2"] == value) for person in drawings])
        for rater in MANNERS:
            assert np.mean([dice(person[rater] == value, person["truth"] == value) for person in drawings]) > between


def test_a_drawing_is_one_piece_a_side_near_the_truth(drawings):
    for person in drawings:
        for value in STRUCTURES.values():
            near = binary_dilation(person["truth"] == value, np.ones((3, 3, 3)), iterations=3)
            for drawn in ("rater1", "again", "rater2"):
                mask = person[drawn] == value
                assert label(mask, np.ones((3, 3, 3)))[1] == 2
                assert not (mask & ~near).any()


def test_a_border_wanders_smoothly_and_not_from_voxel_to_voxel(drawings):
    """What a drawing misses or adds hangs together; as many voxels strewn along the border do not."""
    generator = np.random.default_rng(0)
    pieces, strewn_pieces = 0, 0
    for person in drawings:
        truth, drawn = (person[key] == STRUCTURES["SNpc"] for key in ("truth", "rater1"))
        wrong = truth ^ drawn
        border = np.flatnonzero(binary_dilation(truth) & ~binary_erosion(truth))
        strewn = np.zeros(truth.shape, dtype=bool)
        strewn.flat[generator.choice(border, np.count_nonzero(wrong), replace=False)] = True
        pieces += label(wrong)[1]
        strewn_pieces += label(strewn)[1]
    assert pieces < 0.75 * strewn_pieces


def test_the_second_rater_stops_short_of_the_caudal_end(drawings):
    def lowest(mask):
        return np.flatnonzero(mask.any(axis=(0, 1)))[0]

    short_mm = [
        0.75 * (lowest(person["rater2"] == STRUCTURES["LC"]) - lowest(person["rater1"] == STRUCTURES["LC"]))
        for person in drawings
    ]
    assert 0.5 < np.mean(short_mm) < 4.0


def test_the_same_arguments_give_the_same_drawing_in_any_field_of_view(drawings):
    draw = drawn_subject(0, SEED, group_of(0), "wide")
    person = render_subject(draw, field_of_view="wide")
    inner = (slice(40, 120), slice(48, 112), slice(32, 96))
    assert np.array_equal(person.labels[inner], drawings[0]["truth"])
    drawn = rater_labels(person, draw, "rater2", 0, SEED)
    assert np.array_equal(drawn[inner], drawings[0]["rater2"])
    assert np.count_nonzero(drawn) == np.count_nonzero(drawings[0]["rater2"])
    assert not np.array_equal(drawings[0]["rater1"], drawings[0]["again"])


def test_raters_see_coarser_voxels_too():
    draw = drawn_subject(0, SEED)
    person = midbrain_subject(0, SEED, spacing_mm=1.5)
    drawn = rater_labels(person, draw, "rater2", 0, SEED)
    assert set(np.unique(drawn)) == {0, 1, 2}
