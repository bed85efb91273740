"""A deep image prior beside plain interpolation between a few drawn slices, on the Decathlon's hippocampus crops.

Of each whole label map some coronal slices are kept, spread evenly over the crop; every method fills in the rest and
is scored on all of it, by the mean Dice of the two labels.

    python benchmarks/deep_image_prior.py --data msd-hippocampus
    python benchmarks/deep_image_prior.py --data msd-hippocampus --out benchmarks/results/deep_image_prior.md
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from neurograft.cohorts import Case, open_cohort
from neurograft.imaging.labels import IGNORE, LabelTable
from neurograft.imaging.slice_interpolation import nearest_slice, shape_based
from neurograft.outputs import write_text
from neurograft.recipes.schema import LabelBudgetConfig, PreparationConfig
from neurograft.training.cases import mean_dice, prepare_case
from neurograft.training.deep_image_prior import ImagePrior, fit_image_prior

METHODS = ("nearest slice", "shape-based", "prior from noise", "prior from the image")


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the Decathlon folder")
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--slices", type=int, nargs="+", default=[5, 9])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cohort = open_cohort(given.data).labelled()
    first_of_person = {case.subject: case for case in reversed(cohort.cases)}
    cases = [first_of_person[subject] for subject in cohort.subjects[: given.people]]
    lines = ["| slices | method | Dice, mean (smallest to largest) | seconds a case |", "|---|---|---|---|"]
    for count in given.slices:
        rows = []
        for case in cases:
            rows.append(measure(case, cohort.labels, count, given.steps, given.seed))
            print(case.id, count, {method: round(dice, 3) for method, (dice, _) in rows[-1].items()}, flush=True)
        for method in METHODS:
            dice = [row[method][0] for row in rows]
            seconds = statistics.fmean(row[method][1] for row in rows)
            spread = f"{statistics.fmean(dice):.3f} ({min(dice):.3f} to {max(dice):.3f})"
            lines.append(f"| {count} | {method} | {spread} | {seconds:.2g} |")
    lines += [
        "",
        f"- {len(cases)} people, {given.steps} steps, seed {given.seed}",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
    ]
    print("\n".join(lines))
    if given.out is not None:
        write_text(given.out, "\n".join(lines) + "\n")


def measure(case: Case, labels: LabelTable, slices: int, steps: int, seed: int) -> dict[str, tuple[float, float]]:
    """Mean Dice and seconds of each method on one case."""
    budget = LabelBudgetConfig(axis="coronal", slices=slices, selection="even")
    few = prepare_case(case, labels, PreparationConfig(), budget, seed)
    truth = prepare_case(case, labels, PreparationConfig()).example.target.numpy()
    classes, image = few.annotation.classes, few.example.image[0].numpy()
    places, axis = np.array(few.annotation.slices.slices), few.annotation.slices.axis

    def prior(start: Literal["noise", "image"]) -> np.ndarray:
        fit = fit_image_prior(image, classes, tuple(labels.names), ImagePrior(steps=steps, start=start), seed)
        return np.where(classes != IGNORE, classes, fit.classes)

    ways: dict[str, Callable[[], np.ndarray]] = {
        "nearest slice": lambda: nearest_slice(classes, places, axis),
        "shape-based": lambda: shape_based(classes, places, axis, few.spacing_mm),
        "prior from noise": lambda: prior("noise"),
        "prior from the image": lambda: prior("image"),
    }
    figures = {}
    for method in METHODS:
        begin = time.perf_counter()
        filled = ways[method]()
        seconds = time.perf_counter() - begin
        figures[method] = (mean_dice(truth, filled, range(1, len(labels) + 1)), seconds)
    return figures


if __name__ == "__main__":
    main()
