"""The offline demonstration: from the substantia nigra to the locus coeruleus, on phantoms."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.cohorts import Cohort, open_cohort
from neurograft.demos.experiment import Experiment
from neurograft.evaluation.biomarkers.contrast import contrast_ratio
from neurograft.imaging.files import read_image, read_label_map
from neurograft.inference.files import mask_path
from neurograft.phantoms.midbrain import make_midbrain_cohort
from neurograft.recipes import load_recipe
from neurograft.studies.comparison import Arm, Comparison, ComparisonResult

SOURCE_PEOPLE, SOURCE_SEED = 16, 1
TARGET_PEOPLE, TARGET_SEED = 17, 2
LABELLED = 5
SOURCE_BUDGET, TARGET_BUDGET = "200steps", "120steps"


def midbrain_experiment(folder: Path) -> Experiment:
    """Make the phantoms in `folder` (kept if they are there) and describe the comparison.

    The source people are labelled for SNpc, the target people for LC; five of the target people
    are for training, the other twelve are only ever tested on.
    """
    source = _cohort(folder / "source", SOURCE_PEOPLE, SOURCE_SEED, "SNpc")
    target = _cohort(folder / "target", TARGET_PEOPLE, TARGET_SEED, "LC")
    comparison = Comparison(
        source=source,
        source_recipe=load_recipe("midbrain", [f"budget={SOURCE_BUDGET}"]),
        pool=target.of_subjects(target.subjects[:LABELLED]),
        test=target.of_subjects(target.subjects[LABELLED:]),
        recipe=load_recipe("midbrain", [f"budget={TARGET_BUDGET}"]),
        arms=(Arm("none", 0), Arm("scratch", LABELLED), Arm("full", LABELLED), Arm("decay(up2)", LABELLED)),
        seeds=(0,),
        label_from={"LC": "SNpc"},
    )

    def measure(result: ComparisonResult) -> pd.DataFrame:
        return _contrast_ratios(comparison.test, result.folders)

    tested = len(comparison.test.subjects)
    return Experiment(
        name="midbrain",
        title="From substantia nigra to locus coeruleus, with five labelled people",
        question=(
            "A model segments the substantia nigra (SNpc). Five people have the locus coeruleus (LC) drawn. "
            "Does starting from that model help, and is the contrast ratio recovered?"
        ),
        comparison=comparison,
        method=(
            f"{SOURCE_PEOPLE + TARGET_PEOPLE} phantoms of the midbrain were made from the MNI152 template: each a "
            "smooth random deformation of it with its own contrast, bias field and noise, with SNpc and LC laid in.",
            f"A 3D U-Net learnt SNpc from {SOURCE_PEOPLE} of them.",
            f"It was adapted to LC with {LABELLED} other people by two strategies; a twin with the same people, steps "
            "and seed started from random weights; and the source was used as it is.",
            f"Each model segmented {tested} people whom none had seen, and was scored against the truth.",
            "The contrast ratio of LC (median, against the mean of the pontine reference region) was measured with "
            "the predicted and with the true mask, and set against the ratio that each phantom was made with.",
        ),
        data="phantoms made by neurograft from the MNI152 template that nilearn ships; no patient data",
        notes=(
            "Phantoms are easier than scans: figures here show that the machinery works, not how well it does on "
            "patients.",
            "Partial volume, bias and noise move the measured contrast ratio off the true one even with the true mask.",
        ),
        measure=measure,
    )


def _cohort(folder: Path, people: int, seed: int, structure: str) -> Cohort:
    table = folder / "cohort.tsv"
    if not table.is_file():
        table = make_midbrain_cohort(folder, people, seed, structures=(structure,))
    return open_cohort(table, name=f"midbrain phantoms, seed {seed}")


def _contrast_ratios(test: Cohort, folders: Mapping[tuple[str, str, int], Path]) -> pd.DataFrame:
    rows = []
    for case in test.cases:
        if case.label is None or case.reference_region is None:
            continue
        image = read_image(next(iter(case.images.values()))).data
        reference = read_label_map(case.reference_region).data != 0
        manual = contrast_ratio(image, np.isin(read_label_map(case.label).data, test.labels.values), reference)
        for (strategy, _, seed), folder in folders.items():
            mask = read_label_map(folder.with_name(f"{folder.name}-predictions") / mask_path(test, case)).data != 0
            rows.append(
                {
                    "strategy": strategy,
                    "seed": seed,
                    "case": case.id,
                    "true_contrast_ratio": float(case.covariates["true_contrast_ratio_lc"]),
                    "manual_contrast_ratio": manual,
                    "predicted_contrast_ratio": contrast_ratio(image, mask, reference),
                }
            )
    return pd.DataFrame(rows)
