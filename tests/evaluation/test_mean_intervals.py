import numpy as np
import pytest
from scipy import stats

from neurograft.evaluation.intervals import expanded_level, subject_bootstrap
from neurograft.evaluation.mean_intervals import mean_intervals


def test_one_case_a_subject_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, (25, 2))
    ours = mean_intervals(values, [str(n) for n in range(25)], draws=20_000)
    wide = expanded_level(0.95, 25)
    for column in range(2):
        theirs = stats.bootstrap(
            (values[:, column],), np.mean, confidence_level=wide, n_resamples=20_000, method="percentile", rng=1
        )
        np.testing.assert_allclose(ours[:, column], theirs.confidence_interval, atol=0.003)


def test_several_cases_a_subject_agree_with_the_plain_bootstrap() -> None:
    generator = np.random.default_rng(1)
    subjects = [f"s{n // 3}" for n in range(30)]
    # Cases of a person resemble each other, so an interval over cases would be too narrow.
    values = np.repeat(generator.normal(0.7, 0.2, 10), 3)[:, None] + generator.normal(0, 0.01, (30, 1))
    values[4] = np.nan
    ours = mean_intervals(values, subjects, draws=20_000)[:, 0]
    by_subject: dict[str, list[float]] = {}
    for subject, value in zip(subjects, values[:, 0], strict=True):
        by_subject.setdefault(subject, []).append(value)
    np.testing.assert_allclose(ours, subject_bootstrap(by_subject, draws=20_000), atol=0.004)
    independent = mean_intervals(values, [str(n) for n in range(30)], draws=20_000)[:, 0]
    assert np.diff(ours)[0] > 1.5 * np.diff(independent)[0]


def test_each_figure_is_drawn_among_those_who_have_it() -> None:
    values = np.array([[1.0, np.nan, np.nan], [2.0, 5.0, np.nan], [3.0, 7.0, 4.0]])
    ours = mean_intervals(values, ["a", "b", "c"], draws=2000)
    assert ours[:, 1].tolist() == [5.0, 7.0]
    assert np.isnan(ours[:, 2]).all()
    alone = mean_intervals(values[1:, 1:2], ["b", "c"], draws=2000)
    np.testing.assert_array_equal(ours[:, 1], alone[:, 0])


def test_the_order_of_cases_does_not_matter() -> None:
    values = np.random.default_rng(2).normal(size=(12, 3))
    subjects = [f"s{n % 5}" for n in range(12)]
    order = np.random.default_rng(3).permutation(12)
    shuffled = mean_intervals(values[order], [subjects[n] for n in order], draws=500)
    np.testing.assert_allclose(mean_intervals(values, subjects, draws=500), shuffled, atol=1e-12)


@pytest.mark.parametrize(
    ("subjects", "level", "draws"), [(["a"], 0.95, 10), (["a", "b"], 1.0, 10), (["a", "b"], 0.9, 0)]
)
def test_bad_arguments(subjects: list[str], level: float, draws: int) -> None:
    with pytest.raises(ValueError, match="need one subject a case"):
        mean_intervals(np.ones((2, 1)), subjects, level, draws)
