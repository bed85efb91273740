"""A made-up comparison with the size and the oddities of a real one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurograft.evaluation.agreement.row import agreement_row
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.summary import summarise
from neurograft.reports.comparison import ComparisonReport, SliceExample
from neurograft.reports.evaluation import EvaluationReport
from neurograft.reports.methods import MethodsReport

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


FAILURES = {0: "prediction-missing", 1: "prediction-empty", 2: "both-empty", 3: "reference-empty"}


def made_cases(labels: tuple[str, ...], cases: int, failures: bool) -> pd.DataFrame:
    """A row per case and label; two cases of every third subject. With failures, the first cases fail."""
    generator = np.random.default_rng(11)
    rows = []
    for case in range(cases):
        skill = generator.normal(0, 0.03)
        for place, label in enumerate(labels):
            dice = float(np.clip(0.88 - 0.02 * place + skill + generator.normal(0, 0.025), 0, 0.98))
            reference = float(400 * (place + 1) * generator.uniform(0.7, 1.3))
            status = FAILURES.get(case, "ok") if failures and (case == 0 or place == 0) else "ok"
            row = {"case": f"sub-{case * 2 // 3:03d}_run-{case}", "subject": f"sub-{case * 2 // 3:03d}", "label": label,
                   "kind": "label", "status": status, "dice": dice, "iou": dice / (2 - dice),
                   "reference_mm3": reference, "prediction_mm3": reference * generator.uniform(0.85, 1.1)}  # fmt: skip
            for definition in ("voxel", "element"):
                row |= {f"hd95_max_{definition}_mm": 12 * (1 - dice) + generator.exponential(0.4),
                        f"hd95_pooled_{definition}_mm": 11 * (1 - dice), f"assd_pooled_{definition}_mm": 4 * (1 - dice),
                        f"surface_dice_{definition}": min(1.0, dice + 0.06)}  # fmt: skip
            distances = [name for name in row if name.endswith("_mm")]
            if status != "ok":
                row |= dict.fromkeys(distances, np.nan) | {"dice": 0.0, "iou": 0.0}
            if status == "both-empty":
                row |= {"dice": np.nan, "iou": np.nan, "reference_mm3": 0.0, "prediction_mm3": 0.0}
            if status == "prediction-missing":
                row["prediction_mm3"] = np.nan
            row["volume_difference_mm3"] = row["prediction_mm3"] - row["reference_mm3"]
            rows.append(row)
    return pd.DataFrame(rows)


def with_means(per_case: pd.DataFrame) -> pd.DataFrame:
    """The same rows and, where there are several labels, one more for each case: the mean over them."""
    if per_case["label"].nunique() == 1:
        return per_case
    shares = ["dice", "iou", "surface_dice_voxel", "surface_dice_element"]
    means = per_case.groupby(["case", "subject"], sort=False)[shares].mean().reset_index()
    return pd.concat([per_case, means.assign(label="mean over labels", kind="mean", status="ok")], ignore_index=True)


def made_paired(per_case: pd.DataFrame) -> pd.DataFrame:
    volumes = per_case[per_case["kind"] == "label"].rename(
        columns={"reference_mm3": "reference", "prediction_mm3": "prediction"}
    )
    columns = ["case", "subject", "label", "quantity", "unit", "reference", "prediction"]
    return volumes.assign(quantity="volume", unit="mm3")[columns]


def made_agreement(paired: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            agreement_row(
                str(quantity), str(label), rows["prediction"], rows["reference"], rows["subject"].tolist()
            )
            for (quantity, label), rows in paired.groupby(["quantity", "label"], sort=False)
        ]
    )  # fmt: skip


@pytest.fixture
def make_evaluation() -> Callable[..., EvaluationReport]:
    """Make a report; keywords replace fields, ``labels``, ``cases`` and ``failures`` its size."""

    def make(
        labels: tuple[str, ...] = ("LC", "SN"), cases: int = 12, failures: bool = False, **fields: Any
    ) -> EvaluationReport:
        per_case = with_means(made_cases(labels, cases, failures))
        paired = made_paired(per_case)
        content: dict[str, Any] = {
            "title": "Locus coeruleus and substantia nigra against manual masks",
            "subtitle": "predictions/ against reference/",
            "per_case": per_case,
            "summary": summarise(per_case, Policies(missing="score-zero"), draws=200),
            "paired": paired,
            "agreement": made_agreement(paired),
            "examples": (made_example("Worst case", "", 4, 0.52),),
            "facts": {"Paired": "by BIDS entities", "Command": "neurograft evaluate", "Versions": "numpy 2"},
        }
        return EvaluationReport(**{**content, **fields})

    return make


def made_method_scores(
    methods: tuple[str, ...], labels: tuple[str, ...], measures: tuple[str, ...], subjects: int
) -> pd.DataFrame:
    """Two cases of each subject, the same in every method; later methods are a little better."""
    generator = np.random.default_rng(13)
    rows = []
    for measure in measures:
        for label in labels:
            ease = generator.normal(0, 0.05, subjects)
            for place, method in enumerate(methods):
                for subject in range(subjects):
                    for case in range(2):
                        share = 0.75 + 0.03 * place + ease[subject] + generator.normal(0, 0.02)
                        value = share if "dice" in measure else 12 * (1 - share)
                        rows.append(
                            (method, f"sub-{subject:02d}", f"sub-{subject:02d}_run-{case}", label, measure, value)
                        )
    return pd.DataFrame(rows, columns=["method", "subject", "case", "label", "measure", "value"])


def made_method_comparison(scores: pd.DataFrame) -> pd.DataFrame:
    """Every method against the first, with figures that need not be right."""
    rows = []
    first, *others = dict.fromkeys(scores["method"])
    for (measure, label), group in scores.groupby(["measure", "label"], sort=False):
        means = group.groupby("method")["value"].mean()
        for second in others:
            difference = means[first] - means[second]
            rows.append(
                {
                    "measure": measure, "label": label, "first": first, "second": second,
                    "n_subjects": group["subject"].nunique(), "mean_first": means[first],
                    "mean_second": means[second], "difference": difference, "low": difference - 0.02,
                    "high": difference + 0.02, "p_t": 0.0001, "p_wilcoxon": 0.02, "wilcoxon_variant": "exact",
                    "p_sign_flip": 0.01, "p_corrected": 0.03, "correction": "holm", "family_size": 2, "d_z": -0.8,
                    "mixed_difference": np.nan, "mixed_low": np.nan, "mixed_high": np.nan, "mixed_p": np.nan,
                    "smallest_detectable_difference": 0.02,
                    "verdict": f"{measure} of {label}: {second} differs from {first} by {-difference:.3f}.",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def make_methods() -> Callable[..., MethodsReport]:
    """Make a report; keywords replace fields, ``methods``, ``labels``, ``measures`` and ``subjects`` its size."""

    def make(
        methods: tuple[str, ...] = ("scratch", "freeze", "full"),
        labels: tuple[str, ...] = ("LC",),
        measures: tuple[str, ...] = ("dice", "hd95_max_voxel_mm"),
        subjects: int = 12,
        **fields: Any,
    ) -> MethodsReport:
        scores = made_method_scores(methods, labels, measures, subjects)
        content: dict[str, Any] = {
            "title": "Three ways to adapt",
            "scores": scores,
            "comparison": made_method_comparison(scores),
            "facts": {"Command": "neurograft compare"},
        }
        return MethodsReport(**{**content, **fields})

    return make
