"""One row of all figures equals the figures it is made of."""

import math

import numpy as np
import pytest

from neurograft.evaluation.agreement.bland_altman import bland_altman
from neurograft.evaluation.agreement.correlation import concordance_correlation, spearman_correlation
from neurograft.evaluation.agreement.icc import intraclass_correlation
from neurograft.evaluation.agreement.repeatability import repeatability
from neurograft.evaluation.agreement.row import AGREEMENT_COLUMNS, AGREEMENT_MEANINGS, agreement_row

EjectionData = tuple[np.ndarray, np.ndarray, list[int]]
COUNTS_AND_WORDS = {
    "quantity", "label", "n", "n_subjects", "n_left_out", "mean_first", "mean_second", "loa_intervals", "note",
}  # fmt: skip


def test_every_column_has_a_meaning(peak_flow: np.ndarray) -> None:
    row = agreement_row("volume", "LC", peak_flow[:, 0], peak_flow[:, 2])
    assert tuple(row) == AGREEMENT_COLUMNS == tuple(AGREEMENT_MEANINGS)
    assert all(AGREEMENT_MEANINGS.values())
    assert not [name for name, value in row.items() if isinstance(value, float) and math.isnan(value)]


def test_one_case_a_subject(peak_flow: np.ndarray) -> None:
    first, second = peak_flow[:, 0], peak_flow[:, 2]
    row = agreement_row("peak flow (l/min)", "lung", first, second)
    forms, limits = intraclass_correlation(peak_flow[:, [0, 2]]), bland_altman(first, second)
    assert (row["quantity"], row["label"], row["n"], row["n_subjects"]) == ("peak flow (l/min)", "lung", 17, 17)
    assert (row["mean_first"], row["mean_second"]) == pytest.approx((first.mean(), second.mean()))
    assert (row["icc_2_1"], row["icc_2_1_low"]) == (forms["ICC(2,1)"].value, forms["ICC(2,1)"].low)
    assert (row["icc_3_k"], row["icc_3_k_high"]) == (forms["ICC(3,k)"].value, forms["ICC(3,k)"].high)
    assert (row["ccc"], row["spearman_p"]) == (
        concordance_correlation(first, second).value,
        spearman_correlation(first, second).p,
    )
    assert (row["bias"], row["loa_upper"], row["loa_upper_high"]) == (limits.bias, limits.upper, limits.upper_high)
    assert row["percent_bias"] == bland_altman(first, second, scale="percent").bias
    assert row["within_sd"] == repeatability(peak_flow[:, [0, 2]]).within_sd
    assert (row["loa_intervals"], row["note"]) == ("exact", "")


def test_several_cases_of_a_subject(ejection: EjectionData) -> None:
    """Limits are those of single cases; everything else rests on the twelve means."""
    first, second, subjects = ejection
    means = [[values[np.array(subjects) == s].mean() for s in range(1, 13)] for values in (first, second)]
    row, of_means = agreement_row("EF", "heart", first, second, subjects), agreement_row("EF", "heart", *means)
    limits = bland_altman(first, second, subjects)
    assert (row["n"], row["n_subjects"]) == (60, 12)
    assert (row["loa_lower"], row["loa_lower_low"], row["loa_intervals"]) == (limits.lower, limits.lower_low, "mover")
    assert row["difference_sd"] > of_means["difference_sd"]  # type: ignore[operator]
    for column in ("icc_2_1_low", "ccc_high", "pearson", "bias", "bias_low", "within_sd", "proportional_p"):
        assert row[column] == pytest.approx(of_means[column])
    assert row["note"] == (
        "60 cases of 12 subjects: limits of agreement for a single case, all other figures on the mean per subject"
    )


@pytest.mark.parametrize(
    ("first", "second", "subjects", "note"),
    [
        ([1.0, 2.0], [1.0, 3.0], None, "2 subjects: too few"),
        ([1.0, 2.0, 4.0, 5.0], [1.0, 3.0, 4.0, 6.0], ["a", "a", "b", "b"], "2 subjects: too few"),
        ([1.0, 2.0, math.nan], [1.0, 3.0, 4.0], None, "2 subjects: too few"),
        ([1.0], [1.0], None, "1 subject: too few"),
        ([], [], None, "0 subjects: too few"),
    ],
)
def test_too_few_subjects_give_no_figure(
    first: list[float], second: list[float], subjects: list[str] | None, note: str
) -> None:
    row = agreement_row("volume", "LC", first, second, subjects)
    assert all(math.isnan(row[name]) for name in AGREEMENT_COLUMNS if name not in COUNTS_AND_WORDS)  # type: ignore[arg-type]
    assert str(row["note"]).startswith(note)
    assert (row["n_left_out"], row["loa_intervals"]) == (np.isnan(first).sum(), "none")


def test_a_method_that_always_gives_one_value_shows() -> None:
    row = agreement_row("volume", "LC", [5.0] * 6, [1.0, 2, 3, 4, 5, 6])
    assert row["ccc"] == 0
    assert math.isnan(float(row["pearson"]))
    assert row["icc_2_1"] == pytest.approx(0, abs=1e-12)
    assert float(row["proportional_p"]) < 1e-9
    assert row["note"] == "the first method gives one value throughout"


def test_identical_methods() -> None:
    values = [0.1, 0.5, 0.7, 1.3]
    row = agreement_row("volume", "LC", values, values)
    assert (row["icc_2_1"], row["ccc"], row["bias"], row["within_sd"]) == pytest.approx((1, 1, 0, 0))


def test_level_reaches_the_intervals(peak_flow: np.ndarray) -> None:
    wide = agreement_row("", "", peak_flow[:, 0], peak_flow[:, 2], level=0.99)
    narrow = agreement_row("", "", peak_flow[:, 0], peak_flow[:, 2], level=0.8)
    for column in (name.removesuffix("_low") for name in AGREEMENT_COLUMNS if name.endswith("_low")):
        assert wide[f"{column}_low"] < narrow[f"{column}_low"], column  # type: ignore[operator]
        assert wide[f"{column}_high"] > narrow[f"{column}_high"], column  # type: ignore[operator]
    assert wide["loa_upper"] == narrow["loa_upper"]
