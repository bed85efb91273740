"""Choose a strategy on some people and score it on others, so that its figure is not its own selection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurograft.cohorts import k_folds

CROSS_FITTING_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Choice:
    """A strategy chosen among several, and its scores on people who had no say in the choice.

    Attributes:
        chosen: method -> share of the test people whom it serves; one method with share 1 when it was
            chosen on validation people.
        how: in words.
        scores: rows of the test table, with the method's name replaced by that of the choice, and kept in the
            column ``chosen``.
    """

    chosen: Mapping[str, float]
    how: str
    scores: pd.DataFrame

    @property
    def by_share(self) -> list[str]:
        """The methods that were chosen, the one that serves most people first."""
        return sorted(self.chosen, key=lambda method: -self.chosen[method])

    @property
    def leading(self) -> str:
        """The method that was chosen most."""
        return self.by_share[0]


CHOSEN = "the chosen strategy"


def choose_strategy(
    tested: pd.DataFrame,
    validation: pd.DataFrame,
    methods: Sequence[str],
    higher_is_better: bool,
    seed: int = 0,
) -> Choice | None:
    """Choose among methods on validation people, or, where there are none, by cross-fitting over test people.

    Where there are several test sets, as folds, who chooses for one may be tested by another: each test set
    has its own choice, by the validation people of its own trainings.

    Cross-fitting divides the test people into parts; in each part stands the method that is best in all
    other parts. The mean over parts is an honest figure of the procedure "take the best one".

    Args:
        tested: a row a value on test people: subject, case, method, value, fold, seed, and test, the set's name.
        validation: likewise on validation people; may be empty.
        methods: candidates.
        higher_is_better: of the value.
        seed: of the division into parts.

    Returns:
        ``None`` where no candidate has a value, or the test people are fewer than two.
    """
    sign = 1.0 if higher_is_better else -1.0
    candidates = [method for method in methods if method in set(tested["method"])]
    if not candidates:
        return None
    if (choice := _on_validation(tested, validation, candidates, sign)) is not None:
        return choice
    people = sorted(set(tested["subject"].astype(str)))
    if len(people) < 2:
        return None
    by_subject = (
        tested[tested["method"].isin(candidates)]
        .groupby(["method", "subject", "case"])["value"]
        .mean()
        .groupby(["method", "subject"])
        .mean()
        .unstack("method")
        * sign
    )
    counts: dict[str, float] = {}
    parts = []
    for others, part in k_folds(people, min(CROSS_FITTING_FOLDS, len(people)), seed):
        means = by_subject.reindex(list(others))[candidates].mean()
        best = max(candidates, key=lambda method: float(np.nan_to_num(means[method], nan=-np.inf)))
        counts[best] = counts.get(best, 0.0) + len(part) / len(people)
        parts.append(tested[(tested["method"] == best) & tested["subject"].astype(str).isin(part)])
    return Choice(counts, "chosen by cross-fitting over test people", _as_chosen(parts))


def _on_validation(
    tested: pd.DataFrame, validation: pd.DataFrame, candidates: Sequence[str], sign: float
) -> Choice | None:
    """The choice of each test set by its own validation people; ``None`` where any lacks them for a candidate."""
    if validation.empty:
        return None
    means = validation.groupby(["test", "method"])["value"].mean() * sign
    counts: dict[str, float] = {}
    parts = []
    for name, own in tested[tested["method"].isin(candidates)].groupby("test", sort=False):
        if any(not np.isfinite(means.get((name, method), np.nan)) for method in candidates):
            return None
        best = max(candidates, key=lambda method: float(means[name, method]))
        counts[best] = counts.get(best, 0.0) + own["subject"].nunique()
        parts.append(own[own["method"] == best])
    people = sum(counts.values())
    shares = {method: count / people for method, count in counts.items()}
    return Choice(shares, "chosen on validation people", _as_chosen(parts))


def _as_chosen(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(chosen=rows["method"], method=CHOSEN)
