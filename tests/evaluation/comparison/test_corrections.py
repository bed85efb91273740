"""Corrections, against the tables that their authors print and against statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from neurograft.evaluation.comparison.corrections import CORRECTION_WORDS, Correction, correct_p

NAMES: dict[Correction, str] = {"bonferroni": "bonferroni", "holm": "holm", "benjamini-hochberg": "fdr_bh"}

HEART = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
HEART += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
"""Fifteen comparisons of two treatments: Benjamini and Hochberg 1995, section 4."""


@pytest.mark.parametrize(("correction", "found"), [("none", 9), ("bonferroni", 3), ("benjamini-hochberg", 4)])
def test_findings_of_benjamini_and_hochberg(correction: Correction, found: int) -> None:
    assert int((correct_p(HEART, correction).p <= 0.05).sum()) == found


def test_holm_by_hand() -> None:
    assert correct_p([0.01, 0.04, 0.03, 0.005]).p == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct_p([0.6, 0.5]).p == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("correction", NAMES)
def test_equals_statsmodels(correction: Correction) -> None:
    generator = np.random.default_rng(8)
    for size in (1, 2, 7, 30):
        # Squared for small ones, rounded for ties.
        p = np.round(generator.random(size) ** 2, 2)
        expected = multipletests(p, method=NAMES[correction])[1]
        assert correct_p(p, correction).p == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("correction", CORRECTION_WORDS)
@given(p=st.lists(st.floats(0, 1) | st.just(math.nan), max_size=12))
@settings(max_examples=40, deadline=None)
def test_never_below_the_raw_p_nor_above_one(correction: Correction, p: list[float]) -> None:
    result = correct_p(p, correction)
    assert (np.isnan(result.p) == np.isnan(p)).all()
    made = ~np.isnan(result.p)
    assert (result.p[made] >= np.array(p)[made] - 1e-15).all()
    assert (result.p[made] <= 1).all()
    assert result.family_size + result.left_out == len(p)


def test_what_was_not_tested_is_not_in_the_family() -> None:
    result = correct_p([0.02, math.nan, 0.5, math.nan], "bonferroni")
    assert result.p[[0, 2]] == pytest.approx([0.04, 1.0])
    assert (result.family_size, result.left_out) == (2, 2)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        correct_p([1.2])
    with pytest.raises(ValueError, match="benjamini-hochberg, got 'fdr'"):
        correct_p([0.1], "fdr")  # type: ignore[arg-type]
