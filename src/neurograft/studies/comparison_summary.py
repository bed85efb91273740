"""From a comparison's scores to its table, and from the table to plain sentences."""

from typing import Any

import numpy as np
import pandas as pd

from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.evaluation.intervals import subject_bootstrap
from neurograft.studies.comparison import ComparisonResult
from neurograft.studies.people import EVERYONE, people_words

MEAN_LABEL = "mean of labels"
TWIN = "scratch"


def summarise_comparison(result: ComparisonResult, level: float = 0.95) -> pd.DataFrame:
    """A row a strategy, number of people and label, and one for the mean of labels.

    A case's figure is its mean over seeds; means and intervals are over test people, so they say
    how other people would fare, not how other draws of training people would: for that the
    smallest and largest seed are given. Differences are to training from scratch on the same
    people, by `neurograft.evaluation.comparison.compare.compare_methods`, whose family are the
    strategies that learnt from as many people.

    Returns:
        Columns strategy, training_subjects, label, mean_dice, sd_dice, n_subjects, n_cases,
        n_missing, n_empty, seeds, seed_low, seed_high, ci_low, ci_high, difference_to_scratch,
        difference_low, difference_high, verdict (in one sentence, empty where there is no twin),
        seconds, peak_memory_mib, policy.
    """
    scores = with_label_mean(result.scores)
    twins = _against_twins(scores, level)
    rows = []
    for (strategy, people, label), group in scores.groupby(["strategy", "people", "label"], sort=False):
        cases = _by_subject(group)
        values = np.array([value for subject in cases.values() for value in subject])
        low, high = subject_bootstrap(cases, level=level)
        by_seed = group.groupby("seed")["dice"].mean()
        against = twins.get((strategy, people, label), {})
        runs = result.runs[(result.runs["strategy"] == strategy) & (result.runs["people"] == people)]
        rows.append(
            {
                "strategy": strategy,
                "training_subjects": people,
                "label": label,
                "mean_dice": float(np.nanmean(values)),
                "sd_dice": float(np.nanstd(values, ddof=1)) if len(values) > 1 else float("nan"),
                "n_subjects": len(cases),
                "n_cases": int(np.isfinite(values).sum()),
                "n_missing": int((group["status"] == "prediction-missing").sum()),
                "n_empty": int((group["status"] == "prediction-empty").sum()),
                "seeds": int(group["seed"].nunique()),
                "seed_low": float(by_seed.min()),
                "seed_high": float(by_seed.max()),
                "ci_low": low,
                "ci_high": high,
                "difference_to_scratch": against.get("difference", np.nan),
                "difference_low": against.get("low", np.nan),
                "difference_high": against.get("high", np.nan),
                "verdict": against.get("verdict", ""),
                "seconds": float(runs["seconds"].mean()),
                "peak_memory_mib": float(runs["peak_memory_mib"].max()),
                "policy": result.policy,
            }
        )
    return pd.DataFrame(rows)


def verdicts(summary: pd.DataFrame) -> list[str]:
    """A sentence a strategy and number of people: whether transfer helped, by how much, how surely."""
    rows = summary[summary["label"] == _headline(summary)].to_dict("records")
    return [f"{people_words(row['training_subjects'])}: {row['verdict']}" for row in rows if row["verdict"]]


def figures(summary: pd.DataFrame) -> list[str]:
    """A sentence a row: what was reached, with its interval and n."""
    return [
        f"{row['strategy']}, {people_words(row['training_subjects'])}, {row['label']}: Dice {row['mean_dice']:.3f} "
        f"(95 % interval {row['ci_low']:.3f} to {row['ci_high']:.3f}, {row['n_subjects']} test people)."
        for row in summary.to_dict("records")
    ]


def short_of_everyone(summary: pd.DataFrame) -> list[str]:
    """Sentences that set the best arms beside training on everyone's labels, where there is such an arm."""
    rows = summary[summary["label"] == _headline(summary)]
    ceiling = rows[rows["training_subjects"] == EVERYONE]
    if ceiling.empty:
        return []
    top = float(ceiling["mean_dice"].iloc[0])
    others = rows[rows["training_subjects"] != EVERYONE]
    return [
        f"All labels outside the test set, from scratch, in the same budget give {top:.3f}; "
        + "; ".join(
            f"{r['strategy']} from {people_words(r['training_subjects'])} {r['mean_dice'] - top:+.3f}"
            for r in others.to_dict("records")
        )
        + "."
    ]


def against_source(summary: pd.DataFrame) -> list[str]:
    """A sentence that sets every adapted arm beside the source as it is, where that is an arm."""
    rows = summary[summary["label"] == _headline(summary)]
    source = rows[rows["strategy"] == "none"]
    adapted = rows[~rows["strategy"].isin(["none", "scratch"])]
    if source.empty or adapted.empty:
        return []
    base = float(source["mean_dice"].iloc[0])
    arms = "; ".join(
        f"{row['strategy']} from {people_words(row['training_subjects'])} {row['mean_dice'] - base:+.3f}"
        for row in adapted.to_dict("records")
    )
    return [f"The source as it is, without any label of the target, gives {base:.3f}; against it {arms}."]


def _headline(summary: pd.DataFrame) -> str:
    """The label that sentences are about: the mean of labels, or the only one."""
    return MEAN_LABEL if MEAN_LABEL in set(summary["label"]) else str(summary["label"].iloc[0])


def _against_twins(scores: pd.DataFrame, level: float) -> dict[tuple[Any, Any, Any], dict[str, Any]]:
    """The comparison of every arm with its twin from scratch, by strategy, people and label."""
    found = {}
    for (people, label), group in scores.groupby(["people", "label"], sort=False):
        methods = set(group["strategy"])
        if len(methods) < 2 or TWIN not in methods:
            continue
        frame = group.rename(columns={"strategy": "method", "dice": "value"})
        frame = frame[["subject", "case", "seed", "method", "value"]]
        for row in compare_methods(frame, "Dice", str(label), TWIN, level=level).to_dict("records"):
            found[row["first"], people, label] = {str(name): value for name, value in row.items()}
    return found


def with_label_mean(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with a row a case for the mean of its labels, where there are several."""
    if scores["label"].nunique() == 1:
        return scores
    keys = ["strategy", "people", "seed", "subject", "case"]
    # In the order of the alphabet an empty or missing prediction stands behind "ok", so that no mean hides one.
    mean = scores.groupby(keys, sort=False, as_index=False).agg(dice=("dice", "mean"), status=("status", "max"))
    return pd.concat([scores, mean.assign(label=MEAN_LABEL)], ignore_index=True)


def _by_subject(group: pd.DataFrame) -> dict[str, list[float]]:
    """Each subject's cases, a case being its mean over seeds, in a fixed order."""
    means = group.groupby(["subject", "case"], sort=True, as_index=False)["dice"].mean()
    return {str(subject): cases["dice"].tolist() for subject, cases in means.groupby("subject", sort=True)}
