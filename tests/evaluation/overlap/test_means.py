"""Means over labels: hand-computed values, and paper P5's averages from its printed rows."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.evaluation.overlap.counts import count_labels
from neurograft.evaluation.overlap.means import LabelMean, VolumeExponent, mean_over_labels, volume_weighted_mean

NAN = float("nan")

# Mean Dice as printed in P5's Tables 1 to 4 (standard deviations left out), a column per experiment.
P5_TABLES = {
    1: """
        Tha.L .889 .920 .529 .905 .904 .908 .909 .910 .912 .913
        Tha.R .890 .924 .418 .903 .908 .912 .914 .914 .912 .917
        Cau.L .797 .885 .694 .861 .867 .874 .875 .878 .880 .884
        Cau.R .837 .887 .774 .870 .874 .877 .883 .881 .886 .885
        Put.L .860 .909 .884 .903 .910 .911 .913 .914 .914 .915
        Put.R .876 .908 .884 .906 .910 .912 .913 .915 .913 .915
        Pal.L .815 .873 .374 .842 .856 .861 .862 .865 .866 .866
        Pal.R .799 .874 .111 .839 .850 .853 .857 .856 .858 .862
        Hip.L .809 .871 .808 .825 .835 .846 .849 .851 .854 .856
        Hip.R .810 .869 .822 .845 .841 .854 .854 .858 .861 .863
        Amy.L .721 .832 .669 .740 .777 .800 .809 .810 .812 .812
        Amy.R .707 .812 .613 .739 .750 .766 .774 .784 .788 .789
        Acc.L .699 .790 .693 .769 .779 .784 .788 .786 .789 .792
        Acc.R .678 .783 .238 .722 .729 .759 .763 .771 .774 .765
        Avg.  .799 .867 .608 .834 .842 .851 .854 .857 .859 .860
        wAvg. .706 .803 .474 .754 .766 .783 .788 .791 .794 .792
    """,
    2: """
        Tha.L .893 .910 .128 .847 .887 .882 .889 .890 .893 .898
        Tha.R .885 .914 .081 .837 .879 .877 .892 .890 .899 .906
        Cau.L .783 .896 .440 .857 .872 .890 .883 .887 .890 .894
        Cau.R .870 .896 .455 .840 .861 .883 .883 .889 .889 .895
        Put.L .869 .900 .845 .890 .889 .891 .896 .896 .895 .896
        Put.R .880 .904 .839 .886 .887 .890 .893 .897 .899 .894
        Pal.L .810 .825 .651 .737 .797 .801 .820 .830 .824 .826
        Pal.R .809 .829 .437 .775 .784 .800 .813 .824 .822 .825
        Hip.L .806 .851 .700 .811 .814 .819 .831 .829 .831 .834
        Hip.R .817 .851 .716 .813 .820 .814 .832 .833 .833 .836
        Amy.L .742 .763 .505 .647 .654 .735 .735 .729 .728 .738
        Amy.R .757 .768 .449 .659 .625 .711 .719 .716 .701 .711
        Acc.L .684 .744 .576 .668 .702 .710 .728 .734 .747 .722
        Acc.R .703 .752 .429 .656 .685 .704 .721 .720 .733 .733
        Avg.  .808 .843 .518 .780 .797 .815 .824 .826 .828 .829
        wAvg. .714 .762 .505 .676 .704 .722 .738 .741 .750 .742
    """,
    3: """
        Tha.L .894 .908 .092 .849 .873 .881
        Tha.R .882 .913 .122 .845 .881 .884
        Cau.L .771 .891 .329 .854 .867 .879
        Cau.R .806 .892 .351 .862 .882 .885
        Put.L .867 .896 .835 .875 .882 .887
        Put.R .883 .901 .831 .875 .883 .887
        Pal.L .802 .809 .652 .773 .798 .813
        Pal.R .809 .816 .491 .780 .782 .805
        Hip.L .804 .854 .693 .801 .812 .819
        Hip.R .812 .851 .711 .803 .814 .819
        Amy.L .745 .756 .464 .709 .719 .719
        Amy.R .758 .758 .443 .689 .736 .723
        Acc.L .655 .739 .563 .663 .669 .697
        Acc.R .691 .743 .392 .602 .673 .691
        Avg.  .802 .838 .498 .784 .805 .814
        wAvg. .696 .754 .484 .657 .692 .712
    """,
    4: """
        Tha.L .892 .914 .201 .888 .891 .900
        Tha.R .889 .916 .000 .894 .902 .904
        Cau.L .805 .906 .663 .896 .905 .905
        Cau.R .892 .903 .663 .893 .892 .885
        Put.L .872 .909 .866 .901 .902 .910
        Put.R .875 .908 .856 .905 .907 .908
        Pal.L .827 .857 .649 .866 .852 .862
        Pal.R .808 .857 .328 .836 .835 .840
        Hip.L .811 .843 .715 .818 .821 .837
        Hip.R .826 .850 .725 .812 .827 .846
        Amy.L .736 .778 .587 .751 .787 .780
        Amy.R .756 .787 .463 .725 .733 .760
        Acc.L .742 .754 .603 .705 .754 .757
        Acc.R .725 .769 .502 .668 .749 .750
        Avg.  .818 .854 .559 .826 .840 .846
        wAvg. .747 .778 .548 .713 .766 .769
    """,
}

# Mean volumes in mm3 over the 15 public training scans of MICCAI 2012; the paper prints none.
MEAN_VOLUMES_MM3 = {
    "Tha.L": 8574, "Tha.R": 8256, "Cau.L": 3579, "Cau.R": 3652, "Put.L": 4942, "Put.R": 4726, "Pal.L": 1598,
    "Pal.R": 1639, "Hip.L": 3598, "Hip.R": 3705, "Amy.L": 994, "Amy.R": 1021, "Acc.L": 586, "Acc.R": 526,
}  # fmt: skip
# Values of the right and the left structure in those label maps.
MICCAI_VALUES = {
    "Tha": (59, 60), "Cau": (36, 37), "Put": (57, 58), "Pal": (55, 56), "Hip": (47, 48), "Amy": (31, 32),
    "Acc": (23, 30),
}  # fmt: skip


def printed(table: int) -> dict[str, list[float]]:
    lines = [line.split() for line in P5_TABLES[table].strip().splitlines()]
    return {name: [float(cell) for cell in cells] for name, *cells in lines}


@pytest.mark.parametrize("table", [1, 2, 3, 4])
def test_p5_plain_averages(table: int) -> None:
    rows = printed(table)
    for column, average in enumerate(rows["Avg."]):
        mean = mean_over_labels({name: rows[name][column] for name in MEAN_VOLUMES_MM3})
        assert len(mean.labels_used) == 14
        if (table, column) == (3, 0):
            # The only column whose printed average is not that of its printed rows.
            assert average == 0.802
            assert mean.value == pytest.approx(0.7985, abs=1e-9)
        else:
            assert mean.value == pytest.approx(average, abs=0.001)


@pytest.mark.parametrize("table", [1, 2, 3, 4])
def test_p5_weighted_averages_follow_the_inverse_squared_volume(table: int) -> None:
    rows = printed(table)

    def root_mean_square(exponent: VolumeExponent) -> float:
        errors = [
            volume_weighted_mean(
                {name: rows[name][column] for name in MEAN_VOLUMES_MM3}, MEAN_VOLUMES_MM3, exponent
            ).value
            - average
            for column, average in enumerate(rows["wAvg."])
        ]
        return float(np.sqrt(np.mean(np.square(errors))))

    assert root_mean_square(2) < 0.008
    assert root_mean_square(1) > 0.028


def test_the_volumes_are_those_of_the_scans(shared_data: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    files = sorted((shared_data / "miccai2012-train" / "derivatives" / "manual").glob("sub-*/anat/*_dseg.nii.gz"))
    if len(files) != 15:
        pytest.skip("the 15 label maps of MICCAI 2012 are not here")
    volumes: dict[str, list[float]] = {name: [] for name in MEAN_VOLUMES_MM3}
    for file in files:
        image = nibabel.load(file)
        labels = np.asanyarray(image.dataobj)
        counts = count_labels(labels, labels, [value for pair in MICCAI_VALUES.values() for value in pair])
        voxel_mm3 = float(np.prod(image.header.get_zooms()))
        for structure, sides in MICCAI_VALUES.items():
            for side, value in zip("RL", sides, strict=True):
                volumes[f"{structure}.{side}"].append(counts.overlap(value).reference_voxels * voxel_mm3)
    for name, measured in volumes.items():
        assert np.mean(measured) == pytest.approx(MEAN_VOLUMES_MM3[name], abs=0.51)


def test_hand_computed_weights() -> None:
    scores, volumes = {"a": 0.8, "b": 0.4}, {"a": 200.0, "b": 100.0}
    assert mean_over_labels(scores).value == pytest.approx(0.6)
    assert volume_weighted_mean(scores, volumes, 1).value == pytest.approx((0.8 / 2 + 0.4) / 1.5)
    assert volume_weighted_mean(scores, volumes, 2).value == pytest.approx((0.8 / 4 + 0.4) / 1.25)


def test_undefined_scores_are_left_out_and_named() -> None:
    scores = {"a": 0.8, "b": NAN, "c": 0.2}
    assert mean_over_labels(scores) == LabelMean(0.5, ("a", "c"), ("b",))
    assert volume_weighted_mean(scores, {"a": 1, "b": 1, "c": 1}, 2) == LabelMean(0.5, ("a", "c"), ("b",))


def test_label_that_the_reference_lacks_has_no_weight() -> None:
    # Predicted though absent: Dice 0 counts in the plain mean; the weight 1 / 0 would be everything.
    scores, volumes = {"a": 0.8, "b": 0.0}, {"a": 10.0, "b": 0.0}
    assert mean_over_labels(scores).value == pytest.approx(0.4)
    assert volume_weighted_mean(scores, volumes, 1) == LabelMean(0.8, ("a",), ("b",))


@pytest.mark.parametrize("scores", [{}, {"a": NAN}])
def test_nothing_to_average_is_undefined(scores: dict[str, float]) -> None:
    for mean in (mean_over_labels(scores), volume_weighted_mean(scores, {"a": 1.0}, 2)):
        assert math.isnan(mean.value)
        assert mean.labels_used == ()
        assert mean.labels_left_out == tuple(scores)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or 2, got 3"):
        volume_weighted_mean({"a": 1.0}, {"a": 1.0}, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"without a reference volume: \['b'\]"):
        volume_weighted_mean({"a": 1.0, "b": 1.0}, {"a": 1.0}, 1)
    for volume in (-1.0, NAN, math.inf):
        with pytest.raises(ValueError, match="finite and not negative"):
            volume_weighted_mean({"a": 1.0}, {"a": volume}, 1)


volumes_and_scores = st.lists(
    st.tuples(st.floats(0, 1), st.floats(1e-3, 1e7, allow_subnormal=False)), min_size=1, max_size=14
)


@given(volumes_and_scores, st.sampled_from([1, 2]))
def test_weighted_mean_lies_among_the_scores(pairs: list[tuple[float, float]], exponent: VolumeExponent) -> None:
    scores = {str(label): score for label, (score, _) in enumerate(pairs)}
    volumes = {str(label): volume for label, (_, volume) in enumerate(pairs)}
    value = volume_weighted_mean(scores, volumes, exponent).value
    assert min(scores.values()) - 1e-9 <= value <= max(scores.values()) + 1e-9
    in_other_units = {label: volume / 1000 for label, volume in volumes.items()}
    assert volume_weighted_mean(scores, in_other_units, exponent).value == pytest.approx(value, rel=1e-9, abs=1e-12)
    expected = np.average(list(scores.values()), weights=1 / np.array(list(volumes.values())) ** exponent)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    equal = dict.fromkeys(scores, 7.0)
    assert volume_weighted_mean(scores, equal, exponent).value == pytest.approx(mean_over_labels(scores).value)
