"""Figures for a built-in model's card, from what ``neurograft demo`` wrote for built-in and built-in-hippocampus.

Run ``python docs/gen/builtin_figures.py FOLDER [FOLDER ...] FIGURES.tsv`` and give the table to ``neurograft model pack
--figures``.
"""

import sys
from pathlib import Path

import pandas as pd

DATA = "MICCAI 2012, 15 training scans (T1-weighted, without skull)"
CROPS = "Decathlon's hippocampus crops (T1-weighted)"
WORDS = {"none": "as it is", "transfer": "adapted", "full": "adapted", "scratch": "from random weights"}
POLICY = "a label that is not found counts 0"


def main() -> None:
    """Write a row for each way and count of people, and of the model as it is one for each structure."""
    if len(sys.argv) < 3:
        sys.exit(f"usage: python {sys.argv[0]} FOLDER [FOLDER ...] FIGURES.tsv")
    *folders, out = map(Path, sys.argv[1:])
    rows = []
    for folder in folders:
        found = [*ladder_rows(folder), *crops_rows(folder)]
        if not found:
            sys.exit(f"{folder} holds no scores of built-in or built-in-hippocampus")
        rows += found
    table = pd.DataFrame(rows)
    if table.duplicated(["data", "model", "label"]).any():
        sys.exit("two folders hold scores of the same models: give each only once")
    table.to_csv(out, sep="\t", index=False)


def ladder_rows(folder: Path) -> list[dict[str, object]]:
    """Of the fourteen structures."""
    if not (folder / "built-in-scores.tsv").is_file():
        return []
    ladder = pd.read_csv(folder / "built-in-scores.tsv", sep="\t", dtype={"subject": str})
    steps = steps_of(folder / "built-in-models.tsv", "way", "people")
    means = ladder[(ladder["kind"] == "mean") & (ladder["label"] == "mean")]
    rows = [
        row_of(DATA, words(way, people, steps), "14 structures", group)
        for (way, people), group in means.groupby(["way", "people"], sort=False)
    ]
    as_it_is = ladder[(ladder["kind"] == "label") & (ladder["way"] == "none")]
    rows += [row_of(DATA, words("none", 0), label, group) for label, group in as_it_is.groupby("label", sort=False)]
    return rows


def crops_rows(folder: Path) -> list[dict[str, object]]:
    """Of the hippocampus and its parts, as the tables have them: means over cases."""
    rows = []
    for name, label in (("built-in-hippocampus", "hippocampus"), ("built-in-hippocampus-parts", "mean of both parts")):
        if not (folder / f"{name}-summary.tsv").is_file():
            continue
        steps = steps_of(folder / f"{name}-runs.tsv", "strategy", "people")
        summary = pd.read_csv(folder / f"{name}-summary.tsv", sep="\t")
        headline = "mean of labels" if label.startswith("mean") else "Hippocampus"
        for row in summary[summary["label"] == headline].to_dict("records"):
            way = words(row["strategy"], row["training_subjects"], steps)
            rows.append(figures_of(CROPS, way, label, row["mean_dice"], row["sd_dice"], row["n_subjects"]))
    return rows


def steps_of(table: Path, way: str, people: str) -> dict[tuple[str, int], int]:
    """Steps of training, by way and count of people; the most of several models."""
    runs = pd.read_csv(table, sep="\t")
    return {(str(key[0]), int(key[1])): int(most) for key, most in runs.groupby([way, people])["steps"].max().items()}


def words(way: str, people: int, steps: dict[tuple[str, int], int] | None = None) -> str:
    """How a model came about."""
    counted = (steps or {}).get((way, int(people)), 0)
    trained = f", {counted} steps" if counted else ""
    return f"{WORDS[way]}, {people} {'person' if int(people) == 1 else 'people'}{trained}"


def row_of(data: str, way: str, label: str, scores: pd.DataFrame) -> dict[str, object]:
    """Mean and spread of Dice over test people, of whom each has one scan."""
    of_people = scores.groupby("subject")["dice"].mean()
    return figures_of(data, way, label, of_people.mean(), of_people.std(), len(of_people))


def figures_of(data: str, way: str, label: str, mean: float, sd: float, people: int) -> dict[str, object]:
    """A row of the card."""
    return {
        "data": data,
        "model": way,
        "label": label,
        "Dice, mean": f"{mean:.3f}",
        "SD": f"{sd:.3f}",
        "test people": people,
        "empty masks": POLICY,
    }


if __name__ == "__main__":
    main()
