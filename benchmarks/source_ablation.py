"""What earns its place in the training of a built-in model: the same minutes, and one thing different at a time.

Each arm trains the recipe ``builtin-subcortical`` on most heads for some minutes, once, and is scored on images made of
the others, T1-like ones and ones of any contrast. Runs that lie in the folder already are kept, so that a stopped
comparison goes on. No real scan is looked at: what a model is worth there is measured after everything is chosen.

    python benchmarks/source_ablation.py LABEL_MAPS [--minutes 4] [--runs FOLDER]
"""

import argparse
from pathlib import Path

import torch
from provenance import provenance

from neurograft.cohorts import Cohort, hold_out, open_cohort
from neurograft.inference.request import PredictionRequest
from neurograft.inference.run import predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import load_recipe
from neurograft.scoring.run import score_files
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.training.synthetic_cohort import write_synthetic_cohort

HELD_OUT = 4
SEED = 0
PLAIN = ("network.name=unet3d", "network.auxiliary_heads=0", "task.deep_supervision_weights=[1]")
RESIDUAL = ("network.auxiliary_heads=0", "task.deep_supervision_weights=[1]")
MIXED = ("synthesis.t1_first_steps=0",)
T1 = ("synthesis.t1_first_steps=0", "synthesis.t1_probability=1")
ARMS: dict[str, tuple[str, ...]] = {
    "plain": (*PLAIN, *MIXED),
    "residual": (*RESIDUAL, *MIXED),
    "supervised": MIXED,
    "t1": (*PLAIN, *T1),
    "t1-supervised": T1,
}
WORDS = {
    "plain": "plain U-Net, half of the patches T1-like",
    "residual": "residual blocks",
    "supervised": "residual blocks, deep supervision",
    "t1": "plain U-Net, all patches T1-like",
    "t1-supervised": "residual blocks, deep supervision, all patches T1-like",
}
LOOKS = {"T1-like": "t1", "any contrast": "domain-random"}


def main() -> None:
    """Train what is missing, score, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--runs", type=Path, default=Path("source-ablation"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    cohort = open_cohort(options.label_maps)
    subjects = list(cohort.subjects)
    held_out = cohort.of_subjects(hold_out(subjects, count=HELD_OUT, seed=SEED)[1])
    lines = [
        f"| arm | steps | {' | '.join(f'Dice, {look}' for look in LOOKS)} |",
        f"|---|---:|{'---:|' * len(LOOKS)}",
    ]
    for name, overrides in ARMS.items():
        bundle = trained(name, overrides, cohort, held_out, options)
        cells = [f"{dice(bundle, held_out, look, options.runs):.3f}" for look in LOOKS.values()]
        lines.append(f"| {WORDS[name]} | {bundle.info.training['steps']} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    lines += [
        "",
        f"Mean Dice over {len(bundle.labels.names)} labels and the images of {HELD_OUT} held-out heads, one a head and "
        f"look; a label that is not found counts 0. {len(subjects) - HELD_OUT} heads, {options.minutes:g} minutes and "
        f"one seed an arm: differences of a few hundredths mean nothing.",
        "",
        provenance(torch.get_num_threads(), ("neurograft", "torch")),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "source_ablation.md").write_text("\n".join(lines) + "\n", "utf-8")


def trained(
    name: str, overrides: tuple[str, ...], cohort: Cohort, held_out: Cohort, options: argparse.Namespace
) -> Bundle:
    """The model of an arm."""
    folder = options.runs / name
    if not (folder / "run.json").is_file():
        recipe = load_recipe(
            "builtin-subcortical", [*overrides, f"budget={options.minutes}min", "validation.every=100000"]
        )
        others = tuple(held_out.subjects)
        train_model(TrainingRequest(cohort, recipe, folder, seed=SEED, validation_subjects=others))
    return open_bundle(folder)


def dice(bundle: Bundle, heads: Cohort, look: str, runs: Path) -> float:
    """Mean Dice of a model on images made of heads that it has not learnt from."""
    table = runs / f"images-{look}" / "cohort.tsv"
    if not table.is_file():
        recipe = load_recipe("builtin-subcortical", [f"synthesis.look={look}"])
        write_synthetic_cohort(heads, recipe, table.parent, seed=SEED)
    images = open_cohort(table)
    predictions = runs / f"{bundle.info.name}-{look}"
    if not (predictions / "prediction.json").is_file():
        predict_cohort(PredictionRequest([bundle], images, predictions))
    per_case = score_files(images, predictions).tables.per_case
    return float(per_case.loc[per_case["kind"] == "label", "dice"].mean())


if __name__ == "__main__":
    main()
