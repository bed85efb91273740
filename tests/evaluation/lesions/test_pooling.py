import numpy as np
import pytest
from numpy.typing import NDArray

from neurograft.evaluation.intervals import subject_bootstrap
from neurograft.evaluation.lesions.pooling import pooled_figures, ratio


def rate(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {"rate": ratio(counts[..., 0], counts[..., 1])}


COUNTS = np.array([[1, 4], [5, 6], [0, 0], [2, 9], [3, 3], [0, 2]])
SUBJECTS = ["a", "a", "b", "c", "d", "e"]


def test_counts_are_pooled_before_the_ratio() -> None:
    assert pooled_figures(COUNTS, SUBJECTS, rate)["rate"] == 11 / 24


def test_interval_agrees_with_the_bootstrap_of_single_lesions() -> None:
    outcomes: dict[str, list[float]] = {}
    for subject, (hits, lesions) in zip(SUBJECTS, COUNTS, strict=True):
        outcomes.setdefault(subject, []).extend([1.0] * hits + [0.0] * (lesions - hits))
    row = pooled_figures(COUNTS, SUBJECTS, rate, draws=40_000)
    without_empty = {subject: values for subject, values in outcomes.items() if values}
    expected = subject_bootstrap(without_empty, draws=40_000, seed=5)
    assert (row["rate_low"], row["rate_high"]) == pytest.approx(expected, abs=0.03)


def test_interval_does_not_depend_on_the_order_of_scans() -> None:
    order = [3, 0, 5, 1, 4, 2]
    assert pooled_figures(COUNTS[order], [SUBJECTS[scan] for scan in order], rate) == pooled_figures(
        COUNTS, SUBJECTS, rate
    )


def test_scans_of_one_person_do_not_narrow_the_interval() -> None:
    twice = pooled_figures(np.tile(COUNTS, (2, 1)), SUBJECTS * 2, rate)
    assert twice == pytest.approx(pooled_figures(COUNTS, SUBJECTS, rate))


def test_one_person_with_the_figure_gives_no_interval() -> None:
    row = pooled_figures(np.array([[1, 2], [0, 0]]), ["a", "b"], rate)
    assert row["rate"] == 0.5
    assert np.isnan([row["rate_low"], row["rate_high"]]).all()


def test_nothing_at_all_is_undefined() -> None:
    assert np.isnan(list(pooled_figures(np.zeros((0, 2), dtype=np.int64), [], rate).values())).all()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="one subject a scan"):
        pooled_figures(COUNTS, ["a"], rate)
    with pytest.raises(ValueError, match="level"):
        pooled_figures(COUNTS, SUBJECTS, rate, level=95)
