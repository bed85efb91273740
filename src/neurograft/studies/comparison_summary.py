"""From a comparison's scores to its table, and from the table to plain sentences."""

import numpy as np
import pandas as pd

from neurograft.evaluation.intervals import paired_subject_bootstrap, subject_bootstrap
from neurograft.studies.comparison import EVERYONE, ComparisonResult

MEAN_LABEL = "mean of labels"


def summarise_comparison(result: ComparisonResult, level: float = 0.95) -> pd.DataFrame:
    """A row a strategy, number of people and label, and one for the mean of labels.

    A case's figure is its mean over seeds; means and intervals are over test people, so they say
    how other people would fare, not how other draws of training people would: for that the
    smallest and largest seed are given. Differences are to training from scratch on the same
    people, case by case.

    Returns:
        Columns strategy, training_subjects, label, mean_dice, sd_dice, n_subjects, n_cases,
        n_missing, n_empty, seeds, seed_low, seed_high, ci_low, ci_high, difference_to_scratch,
        difference_low, difference_high, seeds_agreeing (seeds whose difference has the sign of the
        whole), seconds, peak_memory_mib, policy.
    """
    scores = _with_label_mean(result.scores)
    rows = []
    for (strategy, people, label), group in scores.groupby(["strategy", "people", "label"], sort=False):
        cases = _by_subject(group)
        values = np.array([value for subject in cases.values() for value in subject])
        twin = scores[(scores["strategy"] == "scratch") & (scores["people"] == people) & (scores["label"] == label)]
        low, high = subject_bootstrap(cases, level=level)
        by_seed = group.groupby("seed")["dice"].mean()
        difference = difference_low = difference_high = float("nan")
        agreeing = 0
        if strategy != "scratch" and len(twin):
            theirs = _by_subject(twin)
            other = np.array([value for subject in theirs.values() for value in subject])
            difference = float(np.nanmean(values - other))
            difference_low, difference_high = paired_subject_bootstrap(cases, theirs, level=level)
            by_seed_difference = by_seed - twin.groupby("seed")["dice"].mean()
            agreeing = int((np.sign(by_seed_difference) == np.sign(difference)).sum())
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
                "difference_to_scratch": difference,
                "difference_low": difference_low,
                "difference_high": difference_high,
                "seeds_agreeing": agreeing,
                "seconds": float(runs["seconds"].mean()),
                "peak_memory_mib": float(runs["peak_memory_mib"].max()),
                "policy": result.policy,
            }
        )
    return pd.DataFrame(rows)


def verdicts(summary: pd.DataFrame) -> list[str]:
    """A sentence a strategy and number of people: whether transfer helped, by how much, how surely.

    "Better" and "worse" are only said when the interval of the difference leaves out zero and
    every seed, and with it every draw of training people, shows a difference of the same sign.
    """
    label = MEAN_LABEL if MEAN_LABEL in set(summary["label"]) else str(summary["label"].iloc[0])
    what = "mean Dice" if label == MEAN_LABEL else f"Dice of {label}"
    sentences = []
    for row in summary[summary["label"] == label].to_dict("records"):
        if np.isnan(row["difference_to_scratch"]):
            continue
        interval = f"95 % interval {row['difference_low']:+.3f} to {row['difference_high']:+.3f}"
        arm = f"{row['strategy']}, {row['training_subjects']} people"
        start = f"{arm}, against scratch on the same people: {what} {row['difference_to_scratch']:+.3f} ({interval})"
        agreement = f"{row['seeds_agreeing']} of {row['seeds']} seeds"
        apart = row["difference_low"] > 0 or row["difference_high"] < 0
        if apart and row["seeds_agreeing"] < row["seeds"]:
            sentences.append(f"{start}: not settled, the sign is that of {agreement}.")
        elif apart:
            verdict = "better" if row["difference_low"] > 0 else "worse"
            sentences.append(f"{start}: {verdict}, in {agreement}.")
        else:
            sentences.append(f"{start}: no difference shown with {row['n_subjects']} test people.")
    return sentences


def figures(summary: pd.DataFrame) -> list[str]:
    """A sentence a row: what was reached, with its interval and n."""
    return [
        f"{row['strategy']}, {row['training_subjects']} people, {row['label']}: Dice {row['mean_dice']:.3f} "
        f"(95 % interval {row['ci_low']:.3f} to {row['ci_high']:.3f}, {row['n_subjects']} test people)."
        for row in summary.to_dict("records")
    ]


def short_of_everyone(summary: pd.DataFrame) -> list[str]:
    """Sentences that set the best arms beside training on everyone's labels, where there is such an arm."""
    label = MEAN_LABEL if MEAN_LABEL in set(summary["label"]) else str(summary["label"].iloc[0])
    rows = summary[summary["label"] == label]
    ceiling = rows[rows["training_subjects"] == EVERYONE]
    if ceiling.empty:
        return []
    top = float(ceiling["mean_dice"].iloc[0])
    others = rows[rows["training_subjects"] != EVERYONE]
    return [
        f"All labels outside the test set, from scratch, in the same budget give {top:.3f}; "
        + "; ".join(
            f"{r['strategy']} from {r['training_subjects']} people {r['mean_dice'] - top:+.3f}"
            for r in others.to_dict("records")
        )
        + "."
    ]


def against_source(summary: pd.DataFrame) -> list[str]:
    """A sentence that sets every adapted arm beside the source as it is, where that is an arm."""
    label = MEAN_LABEL if MEAN_LABEL in set(summary["label"]) else str(summary["label"].iloc[0])
    rows = summary[summary["label"] == label]
    source = rows[rows["strategy"] == "none"]
    adapted = rows[~rows["strategy"].isin(["none", "scratch"])]
    if source.empty or adapted.empty:
        return []
    base = float(source["mean_dice"].iloc[0])
    arms = "; ".join(
        f"{row['strategy']} from {row['training_subjects']} people {row['mean_dice'] - base:+.3f}"
        for row in adapted.to_dict("records")
    )
    return [f"The source as it is, without any label of the target, gives {base:.3f}; against it {arms}."]


def _with_label_mean(scores: pd.DataFrame) -> pd.DataFrame:
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
