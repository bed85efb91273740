from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.evaluation.lesions.detection import LesionTable, detect_lesions, detection_rates

PAIRS = hnp.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=7).flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


def two_lesions() -> tuple[NDArray[Any], NDArray[Any]]:
    """A lesion of ten voxels with two covered, and one of four with none."""
    reference, prediction = np.zeros((12, 6, 5), dtype=np.uint8), np.zeros((12, 6, 5), dtype=np.uint8)
    reference[1:11, 1, 2] = 1
    reference[3:5, 4:6, 4] = 1
    prediction[0:3, 1, 2] = 7
    return reference, prediction


def made_table(volumes_ml: list[float], shares: list[float]) -> LesionTable:
    voxels = np.rint(np.array(volumes_ml) * 1000).astype(np.int64)
    return LesionTable(26, voxels, np.array(volumes_ml), np.array(shares), np.zeros((len(shares), 3)))


def accuracy(table: LesionTable, cutoff: float, minimum_ml: float = 0.0) -> float:
    return float(detection_rates([table], [cutoff], [minimum_ml], draws=1)["accuracy"].iloc[0])


def test_hand_computed_table() -> None:
    frame = detect_lesions(*two_lesions(), spacing_mm=(1, 0.5, 2)).to_frame().sort_values("voxels")
    assert frame["voxels"].tolist() == [4, 10]
    assert frame["volume_ml"].tolist() == pytest.approx([0.004, 0.010])
    assert frame["covered_share"].tolist() == [0.0, 0.2]
    assert frame[["centroid_0", "centroid_1", "centroid_2"]].to_numpy().tolist() == [[3.5, 4.5, 4.0], [5.5, 1.0, 2.0]]
    assert sorted(frame["lesion"]) == [1, 2]


def test_cutoff_is_strict() -> None:
    table = detect_lesions(*two_lesions(), spacing_mm=(1, 1, 1))
    assert [accuracy(table, cutoff) for cutoff in (0.0, 0.19, 0.2, 0.21)] == [0.5, 0.5, 0.0, 0.0]


@settings(deadline=None)
@given(st.integers(1, 400))
def test_cutoff_is_strict_for_every_size(fifth: int) -> None:
    reference = np.ones((5, fifth, 1), dtype=bool)
    prediction = np.zeros_like(reference)
    prediction[0] = True
    assert accuracy(detect_lesions(reference, prediction, (1, 1, 1)), 0.2) == 0.0
    prediction[1, 0] = True
    assert accuracy(detect_lesions(reference, prediction, (1, 1, 1)), 0.2) == 1.0


def test_fragments_add_up() -> None:
    reference, prediction = np.ones((10, 1, 1), dtype=bool), np.zeros((10, 1, 1), dtype=bool)
    prediction[[0, 4, 9]] = True
    assert detect_lesions(reference, prediction, (1, 1, 1)).covered_share.tolist() == [0.3]


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 0.8, 1.5625), (0.1, 10, 1), (0.7, 0.7, 1 / 0.49)])
def test_a_lesion_of_exactly_the_limit_counts(spacing: tuple[float, float, float]) -> None:
    reference = np.ones((10, 10, 10), dtype=bool)
    assert accuracy(detect_lesions(reference, reference, spacing), 0.0, minimum_ml=1.0) == 1.0
    smaller = reference.copy()
    smaller[0, 0, 0] = False
    assert np.isnan(accuracy(detect_lesions(smaller, smaller, spacing), 0.0, minimum_ml=1.0))


def test_planes_divide_a_lesion_and_its_volume() -> None:
    reference, prediction = np.ones((2, 2, 3), dtype=bool), np.zeros((2, 2, 3), dtype=bool)
    prediction[:, :, 1] = True
    table = detect_lesions(reference, prediction, (1, 1, 1), "in-plane-8")
    assert table.volumes_ml.tolist() == pytest.approx([0.004] * 3)
    assert sorted(table.covered_share) == [0, 0, 1]


def test_rates_are_pooled_over_cases() -> None:
    tables = [made_table([0.5, 1.5, 3.0], [0.1, 0.3, 0.0]), made_table([2.0], [0.9]), made_table([], [])]
    rates = detection_rates(tables).set_index(["overlap_cutoff", "minimum_volume_ml"])
    assert rates["n_lesions"].tolist() == [4, 3, 2, 4, 3, 2]
    assert rates["n_detected"].tolist() == [3, 2, 1, 2, 2, 1]
    assert rates["accuracy"].tolist() == [3 / 4, 2 / 3, 1 / 2, 2 / 4, 2 / 3, 1 / 2]
    assert rates["n_cases"].tolist() == [2] * 6
    assert rates["n_cases_without_lesion"].tolist() == [1] * 6
    assert set(rates["connectivity"]) == {26}


def test_interval_resamples_subjects() -> None:
    tables = [made_table([1.0] * 3, [0.5, 0.5, 0.0]), made_table([1.0], [0.0])] * 4
    row = detection_rates(tables, [0.0], [0.0]).iloc[0]
    assert 0 <= row["accuracy_low"] < row["accuracy"] == 0.5 < row["accuracy_high"] <= 2 / 3
    one_person = detection_rates(tables, [0.0], [0.0], subjects=["a"] * 8).iloc[0]
    assert one_person["n_subjects"] == 1
    assert np.isnan(one_person["accuracy_low"])


def test_no_lesion_is_undefined() -> None:
    nothing = np.zeros((4, 4, 4))
    rates = detection_rates([detect_lesions(nothing, np.ones((4, 4, 4)), (1, 1, 1))])
    assert rates["n_lesions"].eq(0).all()
    assert rates["accuracy"].isna().all()
    assert detection_rates([])["accuracy"].isna().all()


def test_a_missing_prediction_finds_nothing() -> None:
    reference, _ = two_lesions()
    assert detect_lesions(reference, None, (1, 1, 1)).covered_share.tolist() == [0.0, 0.0]


@settings(deadline=None)
@given(PAIRS, st.sampled_from([6, 18, 26, "in-plane-8"]))
def test_equals_a_slow_version(pair: tuple[NDArray[Any], NDArray[Any]], connectivity: Any) -> None:
    reference, prediction = pair
    element = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3, "in-plane-8": 3}[connectivity])
    if connectivity == "in-plane-8":
        element[:, :, [0, 2]] = False
    numbers, count = ndimage.label(reference, element)
    expected = []
    for number in range(1, count + 1):
        lesion = numbers == number
        centre = tuple(round(float(mean), 9) for mean in np.argwhere(lesion).mean(axis=0))
        expected.append((int(lesion.sum()), float((lesion & prediction).sum() / lesion.sum()), *centre))
    frame = detect_lesions(reference, prediction, (1, 2, 3), connectivity).to_frame().round(9)
    columns = ["voxels", "covered_share", "centroid_0", "centroid_1", "centroid_2"]
    found = sorted(map(tuple, frame[columns].to_numpy().tolist()))
    assert [list(row) for row in found] == [pytest.approx(list(row)) for row in sorted(expected)]


@settings(deadline=None)
@given(PAIRS, st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_higher_cutoff_never_detects_more(
    pair: tuple[NDArray[Any], NDArray[Any]], first: float, second: float
) -> None:
    table = detect_lesions(*pair, (1, 1, 1))
    low, high = accuracy(table, min(first, second)), accuracy(table, max(first, second))
    assert high <= low or (np.isnan(high) and np.isnan(low))


def test_real_masks(shared_data: Path) -> None:
    image = nib.load(shared_data / "ms-lesion-masks" / "sub-20_desc-consensus_mask.nii.gz")
    whole = np.asarray(image.dataobj)
    box = ndimage.find_objects(whole)[0]
    reference = np.pad(whole[box], 4)
    spacing = [float(length) for length in image.header.get_zooms()]
    table = detect_lesions(reference, reference, spacing)
    assert len(table.voxels) == ndimage.label(reference, np.ones((3, 3, 3)))[1]
    assert table.volumes_ml.sum() == pytest.approx(np.count_nonzero(reference) * np.prod(spacing) / 1000)
    assert (table.covered_share == 1).all()
    shifted = detect_lesions(reference, np.roll(reference, 3, axis=1), spacing)
    rates = detection_rates([shifted], cutoffs=(0.0, 0.2, 0.5), minimum_volumes_ml=[0.0])["accuracy"].tolist()
    assert 1 > rates[0] > rates[1] > rates[2] > 0


def test_wrong_arguments_are_refused() -> None:
    ones = np.ones((2, 2, 2))
    with pytest.raises(ValueError, match="one shape"):
        detect_lesions(ones, np.ones((2, 2, 3)), (1, 1, 1))
    with pytest.raises(ValueError, match="three dimensions"):
        detect_lesions(np.ones((2, 2)), None, (1, 1, 1))
    tables = [detect_lesions(ones, ones, (1, 1, 1), way) for way in (26, "in-plane-8")]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one connectivity"):
        detection_rates(tables)
    with pytest.raises(ValueError, match="below 1"):
        detection_rates(tables[:1], cutoffs=[20])
    with pytest.raises(ValueError, match="negative"):
        detection_rates(tables[:1], minimum_volumes_ml=[-1])
    with pytest.raises(ValueError, match="one subject"):
        detection_rates(tables[:1], subjects=["a", "b"])
