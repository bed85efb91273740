"""A made-up comparison with the size and the oddities of a real one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurograft.reports.comparison import ComparisonReport, SliceExample

LEVELS = {"none": 0.05, "scratch": 0.71, "freeze": 0.74, "decay": 0.78, "full": 0.77, "first_layers": 0.69}


def made_scores(strategies: tuple[str, ...], subjects: int, labels: tuple[str, ...], seeds: int) -> pd.DataFrame:
    generator = np.random.default_rng(7)
    ease = generator.normal(0, 0.05, subjects)
    rows = [
        {
            "strategy": strategy,
            "training_subjects": 5,
            "seed": seed,
            "subject": f"sub-{subject:03d}",
            "case": f"sub-{subject:03d}_ses-1",
            "label": label,
            "dice": float(np.clip(LEVELS.get(strategy, 0.7) + ease[subject] + generator.normal(0, 0.03), 0, 0.97)),
        }
        for strategy in strategies
        for seed in range(seeds)
        for subject in range(subjects)
        for label in labels
    ]
    return pd.DataFrame(rows)


def made_summary(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (strategy, label), group in scores.groupby(["strategy", "label"], sort=False):
        people = group.groupby("subject")["dice"].mean()
        scratch = scores[(scores["strategy"] == "scratch") & (scores["label"] == label)]["dice"].mean()
        difference = np.nan if strategy == "scratch" else people.mean() - scratch
        rows.append(
            {
                "strategy": strategy, "training_subjects": 5, "label": label, "mean_dice": people.mean(),
                "sd_dice": people.std(), "n_subjects": len(people), "n_cases": group["case"].nunique(),
                "n_missing": 0, "n_empty": 2 if strategy == "none" else 0, "seeds": 3,
                "seed_low": people.mean() - 0.01, "seed_high": people.mean() + 0.01,
                "ci_low": people.mean() - 0.02, "ci_high": people.mean() + 0.02,
                "difference_to_scratch": difference, "difference_low": difference - 0.015,
                "difference_high": difference + 0.015, "seconds": 0.0 if strategy == "none" else 96.4,
                "peak_memory_mib": 1730.0, "policy": "label absent from truth and prediction: skipped",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def made_curves(strategies: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    generator = np.random.default_rng(3)
    steps = np.arange(0, 600)
    curves = {}
    for place, arm in enumerate(("source (SNpc)", *(name for name in strategies if name != "none"))):
        validation = np.full(len(steps), np.nan)
        validation[99::100] = 0.8 - 0.6 * np.exp(-steps[99::100] / (90 + 40 * place))
        loss = 0.25 + 0.7 * np.exp(-steps / (60 + 25 * place)) + generator.normal(0, 0.04, len(steps))
        curves[arm] = pd.DataFrame({"step": steps, "training/loss": loss, "validation/dice": validation})
    return curves


def made_example(title: str, strategy: str, shift: int, dice: float) -> SliceExample:
    shape, spacing = np.array([64, 60, 30]), np.array([0.8, 0.8, 1.6])
    place = (np.indices(shape).reshape(3, -1).T + 0.5) * spacing - shape * spacing / 2
    generator = np.random.default_rng(1)

    def blob(x: float, y: float, z: float, size: tuple[float, float, float]) -> np.ndarray:
        return (((place - [x, y, z]) / size) ** 2).sum(1).reshape(shape)

    truth = ((blob(-8, -3, 0, (3, 5, 8)) < 1) | (blob(8, -3, 0, (3, 5, 8)) < 1)).astype(np.int16)
    prediction = np.roll(truth, shift, axis=(1,)) * (generator.random(shape) > 0.02)
    brain = 1 / (1 + np.exp(8 * (blob(0, 0, 0, (22, 20, 20)) - 1)))
    image = 300 * brain + 130 * truth + generator.normal(0, 18, shape) + 60 * np.exp(-blob(0, 12, 2, (5, 5, 9)))
    return SliceExample(
        title, "sub-004_ses-1", strategy, dice, image.astype(np.float32), truth, prediction.astype(np.int16),
        (0.8, 0.8, 1.6), ("LC",),
    )  # fmt: skip


def made_biomarkers(strategies: tuple[str, ...]) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    rows = []
    for strategy in strategies:
        for case in range(20):
            true = generator.uniform(0.08, 0.3)
            empty = strategy == "none" and case % 3
            rows.append(
                {
                    "strategy": strategy, "seed": 0, "case": f"sub-{case:03d}", "true_contrast_ratio": true,
                    "manual_contrast_ratio": 0.85 * true + generator.normal(0, 0.008),
                    "predicted_contrast_ratio": np.nan if empty else 0.8 * true + generator.normal(0, 0.02),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def make_report() -> Callable[..., ComparisonReport]:
    """Make a report; keywords replace fields, ``strategies`` and ``labels`` its size."""

    def make(
        strategies: tuple[str, ...] = tuple(LEVELS),
        labels: tuple[str, ...] = ("LC",),
        subjects: int = 12,
        **fields: Any,
    ) -> ComparisonReport:
        scores = made_scores(strategies, subjects, labels, seeds=2)
        best = strategies[-1]
        content: dict[str, Any] = {
            "title": "Locus coeruleus from five labelled scans",
            "question": "Does a model that learned the substantia nigra find the locus coeruleus better, after five "
            "labelled people, than one trained from scratch?",
            "answer": (
                "Yes: adapted models reach a mean Dice of 0.78, from scratch 0.71.",
                "The difference to scratch is +0.07, and its interval does not hold zero.",
            ),
            "summary": made_summary(scores),
            "scores": scores,
            "curves": made_curves(strategies),
            "examples": (made_example("Worst case", best, 4, 0.52), made_example("Best case", best, 0, 0.93)),
            "method": ("Made 40 phantom people.", "Trained on SNpc.", "Adapted to LC with five people."),
            "provenance": {"Command": "neurograft demo --seed 1", "Seeds": "0, 1", "Versions": "torch 2.13\nnumpy 2"},
            "notes": ("A label absent from truth and prediction is skipped.",),
            "biomarkers": made_biomarkers(strategies),
        }
        return ComparisonReport(**{**content, **fields})

    return make
