import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.imaging.standardisation import (
    average_landmarks,
    foreground_of,
    map_landmarks,
    match_quantiles,
    percentile_landmarks,
)


def _slow_map(value: float, own: list[float], standard: list[float]) -> float:
    """Written out piece by piece, as the paper's equation is."""
    piece = 0
    while piece < len(own) - 2 and value >= own[piece + 1]:
        piece += 1
    a, b, c, d = own[piece], own[piece + 1], standard[piece], standard[piece + 1]
    return c + (value - a) * (d - c) / (b - a)


def test_landmarks_by_hand() -> None:
    image = np.zeros((1, 2, 101), np.float32)
    image[0, 0] = np.arange(101) + 1.0
    np.testing.assert_allclose(percentile_landmarks(image, (0, 10, 50, 100)), [1, 11, 51, 101])
    # Above the mean of all voxels, 25.75, lie 26 to 101.
    assert foreground_of(image, "above_mean").sum() == 76
    assert percentile_landmarks(np.zeros((2, 2, 2)), (1, 99)) is None
    assert percentile_landmarks(np.full((2, 2, 2), 7.0), (1, 99)) is None


def test_the_scale_is_the_mean_of_stretched_landmarks() -> None:
    scale = average_landmarks([np.array([0.0, 5.0, 10.0]), np.array([100.0, 120.0, 200.0])], (1, 101))
    np.testing.assert_allclose(scale, [1, (51 + 21) / 2, 101])
    with pytest.raises(ValueError, match="at least one"):
        average_landmarks([], (0, 1))


@given(
    gaps=st.lists(st.floats(0.1, 50), min_size=2, max_size=10),
    targets=st.lists(st.floats(0, 50), min_size=10, max_size=10),
    values=st.lists(st.floats(-300, 600), min_size=1, max_size=20),
)
def test_the_map_equals_a_slow_one(gaps, targets, values) -> None:
    own = np.cumsum([0.0, *gaps])
    standard = np.cumsum([1.0, *targets])[: len(own)]
    expected = [_slow_map(value, own.tolist(), standard.tolist()) for value in values]
    np.testing.assert_allclose(map_landmarks(np.array(values), own, standard), expected, rtol=1e-4, atol=1e-2)


def test_beyond_the_landmarks_the_last_piece_goes_on() -> None:
    mapped = map_landmarks(np.array([-10.0, 0.0, 5.0, 10.0, 30.0]), np.array([0.0, 10.0]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(mapped, [-1, 1, 2, 3, 7])
    clamped = match_quantiles(np.array([-10.0, 0.0, 5.0, 10.0, 30.0]), np.array([0.0, 10.0]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(clamped, [1, 1, 2, 3, 3])


def test_equal_landmarks_of_a_scan_with_few_grey_values() -> None:
    own, standard = np.array([0.0, 4.0, 4.0, 8.0]), np.array([0.0, 2.0, 4.0, 10.0])
    np.testing.assert_allclose(map_landmarks(np.array([0.0, 4.0, 6.0]), own, standard), [0, 3, 6.5])


def test_matching_gives_the_reference_its_own_distribution() -> None:
    generator = np.random.default_rng(0)
    image, reference = generator.gamma(2, 3, 20_000), generator.normal(100, 15, 20_000)
    shares = np.linspace(0, 100, 201)
    matched = match_quantiles(image, np.percentile(image, shares), np.percentile(reference, shares))
    # Sorted, the two must be one list: an independent way to say that the distributions are equal.
    np.testing.assert_allclose(np.sort(matched)[100:-100], np.sort(reference)[100:-100], atol=0.5)
    assert (np.argsort(matched, kind="stable")[[0, -1]] == np.argsort(image, kind="stable")[[0, -1]]).all()
