"""Intraclass correlation against the published table, pingouin, and sums written out."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurograft.evaluation.agreement.icc import ICC_ALIASES, intraclass_correlation

# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_names_and_order() -> None:
    forms = intraclass_correlation(SHROUT_FLEISS)
    assert list(forms) == ["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"]
    assert all(name == result.form for name, result in forms.items())


@pytest.mark.parametrize(
    ("form", "value", "low", "high"),
    [
        ("ICC(1,1)", 0.17, -0.133, 0.723),
        ("ICC(2,1)", 0.29, 0.019, 0.761),
        ("ICC(3,1)", 0.71, 0.342, 0.946),
        ("ICC(1,k)", 0.44, -0.884, 0.912),
        ("ICC(2,k)", 0.62, 0.071, 0.927),
        ("ICC(3,k)", 0.91, 0.676, 0.986),
    ],
)
def test_table_of_shrout_and_fleiss(form: Any, value: float, low: float, high: float) -> None:
    """Values as printed in 1979; intervals as R's psych package prints them for the same table."""
    result = intraclass_correlation(SHROUT_FLEISS)[form]
    assert result.value == pytest.approx(value, abs=0.005)
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.0006)
    assert result.n_targets == 6


def test_f_tests_of_shrout_and_fleiss() -> None:
    """Mean squares 11.24 between targets, 6.26 within, 1.02 error."""
    forms = intraclass_correlation(SHROUT_FLEISS)
    one_way, two_way = forms["ICC(1,1)"], forms["ICC(3,k)"]
    assert one_way.f == pytest.approx(11.24 / 6.26, abs=0.002)
    assert (one_way.df1, one_way.df2, two_way.df1, two_way.df2) == (5, 18, 5, 15)
    assert two_way.f == pytest.approx(11.2417 / 1.0194, abs=0.01)
    assert two_way.p == pytest.approx(0.000135, abs=1e-6)


@pytest.mark.parametrize(("n", "k", "seed"), [(3, 2, 0), (8, 2, 1), (12, 5, 2), (40, 3, 3), (2, 6, 4)])
@pytest.mark.parametrize("between", [0.0, 1.0, 20.0])
def test_equals_pingouin(n: int, k: int, seed: int, between: float) -> None:
    pingouin = pytest.importorskip("pingouin")
    random = np.random.default_rng(seed)
    table = random.normal(size=(n, 1)) * between + random.normal(size=k) * 0.7 + random.normal(size=(n, k))
    target, rater = np.indices(table.shape)
    long = pd.DataFrame({"target": target.ravel(), "rater": rater.ravel(), "value": table.ravel()})
    expected = pingouin.intraclass_corr(long, "target", "rater", "value").set_index("Type")
    aliases = {"ICC(1,1)": "ICC(1,1)", "ICC(1,k)": "ICC(1,k)"}
    for form, result in intraclass_correlation(table).items():
        row = expected.loc[aliases.get(form, ICC_ALIASES[form])]
        if math.isnan(result.value):
            assert form.startswith("ICC(2")
            continue
        assert result.value == pytest.approx(row["ICC"], rel=1e-9, abs=1e-9)
        assert (result.f, result.df1, result.df2) == pytest.approx((row["F"], row["df1"], row["df2"]))
        assert result.p == pytest.approx(row["pval"])
        if not math.isnan(result.low):
            assert (result.low, result.high) == pytest.approx(tuple(row["CI95"]), abs=0.00501)


def _slow_mean_squares(table: np.ndarray) -> tuple[float, float, float, float]:
    """Targets, raters, error and within, by sums over single ratings."""
    n, k = table.shape
    grand = sum(sum(row) for row in table) / (n * k)
    rows = [sum(row) / k for row in table]
    columns = [sum(table[:, j]) / n for j in range(k)]
    targets = k * sum((mean - grand) ** 2 for mean in rows) / (n - 1)
    raters = n * sum((mean - grand) ** 2 for mean in columns) / (k - 1)
    within = sum((table[i, j] - rows[i]) ** 2 for i in range(n) for j in range(k)) / (n * (k - 1))
    cells = [(i, j) for i in range(n) for j in range(k)]
    error = sum((table[i, j] - rows[i] - columns[j] + grand) ** 2 for i, j in cells) / ((n - 1) * (k - 1))
    return targets, raters, error, within


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_formulas_in_the_specification(seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(7, 3)) + np.arange(7)[:, None] * 0.4
    n, k = table.shape
    targets, raters, error, within = _slow_mean_squares(table)
    forms = {form: result.value for form, result in intraclass_correlation(table).items()}
    assert forms == pytest.approx(
        {
            "ICC(1,1)": (targets - within) / (targets + (k - 1) * within),
            "ICC(2,1)": (targets - error) / (targets + (k - 1) * error + k * (raters - error) / n),
            "ICC(3,1)": (targets - error) / (targets + (k - 1) * error),
            "ICC(1,k)": (targets - within) / targets,
            "ICC(2,k)": (targets - error) / (targets + (raters - error) / n),
            "ICC(3,k)": (targets - error) / targets,
        }
    )


TABLES = arrays(float, st.tuples(st.integers(2, 8), st.integers(2, 4)), elements=st.floats(-1e3, 1e3, width=32))


@given(TABLES)
@example(np.array([[2.0, -3.0], [0.0, 0.0]]))
@example(np.array([[-29.0, 0.0], [-42.0, 0.0], [-356.0, 283.0]]))
@example(np.array([[0.0, 0.0], [0.0, 0.0], [-9.0, 10.0]]))
@example(np.array([[0.0, -283.0], [17.0, -304.0]]))
def test_never_above_one_and_inside_its_interval(table: np.ndarray) -> None:
    """The examples are tables whose Satterthwaite's degrees of freedom are next to 0."""
    with np.errstate(all="raise"):
        forms = intraclass_correlation(table)
    for result in forms.values():
        assert math.isnan(result.value) or result.value <= 1
        if not math.isnan(result.low) and not math.isnan(result.high):
            assert result.low - 1e-9 <= result.value <= result.high + 1e-9


@given(TABLES, st.floats(0.1, 10), st.floats(-100, 100))
def test_a_shift_or_scale_common_to_all_changes_nothing(table: np.ndarray, scale: float, shift: float) -> None:
    """SPEC section 1: the constant between two forms of the contrast ratio does not alter ICC."""
    if np.ptp(table) < 1:
        return
    before, after = intraclass_correlation(table), intraclass_correlation(table * scale + shift)
    for form, result in before.items():
        if abs(result.value) < 10:
            assert after[form].value == pytest.approx(result.value, rel=1e-5, abs=1e-5)


def test_an_offset_of_one_rater_counts_as_disagreement_but_not_as_inconsistency() -> None:
    truth = np.array([1.0, 2, 3, 4, 5])
    forms = intraclass_correlation(np.column_stack([truth, truth + 3]))
    assert forms["ICC(3,1)"].value == 1
    assert forms["ICC(2,1)"].value == pytest.approx(5 / (5 + 2 * 22.5 / 5))
    assert forms["ICC(2,1)"].low < forms["ICC(2,1)"].value < forms["ICC(2,1)"].high


def test_negative_values_are_not_clipped() -> None:
    forms = intraclass_correlation([[1, 5], [5, 1], [2, 4], [4, 2]])
    assert forms["ICC(1,1)"].value == pytest.approx(-1.0)
    assert forms["ICC(3,1)"].value == pytest.approx(-1.0)


def test_perfect_agreement_has_no_interval() -> None:
    result = intraclass_correlation([[0.1, 0.1], [0.7, 0.7], [0.3, 0.3]])["ICC(2,1)"]
    assert (result.value, result.f, result.p) == (1, math.inf, 0)
    assert math.isnan(result.low)
    assert math.isnan(result.high)


@pytest.mark.parametrize("table", [np.full((4, 2), 0.1), np.array([[1.0, 2.0]]), np.empty((0, 2)), [[math.nan, 1]] * 3])
def test_undefined(table: np.ndarray) -> None:
    for result in intraclass_correlation(table).values():
        assert math.isnan(result.value)
        assert math.isnan(result.low)
        assert math.isnan(result.p)


def test_variance_estimates_that_are_not_positive_are_undefined() -> None:
    """Here the total variance of ICC(2,1) is estimated as 0, so the quotient would be -inf."""
    assert math.isnan(intraclass_correlation([[1, 0], [0, 1]])["ICC(2,1)"].value)


def test_incomplete_targets_are_left_out_and_counted() -> None:
    table = np.array(SHROUT_FLEISS, dtype=float)
    with_gaps = np.vstack([table, [5, math.nan, 5, 5], [math.inf, 1, 2, 3]])
    before, after = intraclass_correlation(table), intraclass_correlation(with_gaps)
    assert [result.value for result in after.values()] == [result.value for result in before.values()]
    assert {result.n_left_out for result in after.values()} == {2}
    assert {result.n_targets for result in after.values()} == {6}


def test_coverage_of_the_agreement_interval() -> None:
    random = np.random.default_rng(7)
    truth = 2 / (2 + 0.25 + 1)
    hits = 0
    for _ in range(400):
        table = random.normal(0, 2**0.5, (15, 1)) + random.normal(0, 0.5, 3) + random.normal(0, 1, (15, 3))
        result = intraclass_correlation(table)["ICC(2,1)"]
        hits += result.low <= truth <= result.high
    assert 0.92 < hits / 400 < 0.985


@pytest.mark.parametrize(("table", "level"), [([1, 2, 3], 0.95), ([[1], [2]], 0.95), (SHROUT_FLEISS, 95)])
def test_bad_input_is_refused(table: Any, level: float) -> None:
    with pytest.raises(ValueError, match="got"):
        intraclass_correlation(table, level)
