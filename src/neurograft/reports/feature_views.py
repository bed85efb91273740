"""Do two scanners look alike to a tri-planar network? Its features before and after intensities are standardised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import neurograft
from neurograft.cohorts import Cohort
from neurograft.cohorts.standards import cohort_standard
from neurograft.errors import InputError
from neurograft.inference.joined_features import joined_features
from neurograft.models import Bundle
from neurograft.outputs import staged_directory, write_json, write_table
from neurograft.recipes.schema import PreparationConfig
from neurograft.reports.feature_view import NEIGHBOURS, own_cohort_share, project, write_feature_figure

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class FeatureRequest:
    """What to look at.

    Attributes:
        bundle: a tri-planar model.
        cohorts: two or more, of different names; the first is the one whose scale of intensities the others
            are brought to, unless the model brings a scale.
        out: the folder for figures and tables.
        voxels_each: voxels of each cohort.
        seed: of voxels and t-SNE.
        overwrite: replace an earlier result.
    """

    bundle: Bundle
    cohorts: Sequence[Cohort]
    out: Path
    voxels_each: int = 500
    seed: int = 0
    overwrite: bool = False


def write_feature_views(
    request: FeatureRequest, progress: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """Write ``before.png`` and ``after.png``, ``features.tsv`` and ``features.json``.

    Scans are z-scored (as the model has it) in the first figure; in the second they are brought to one
    intensity scale by Nyúl's landmarks first.

    Returns:
        By figure, the share of nearest neighbours that are of a voxel's own cohort.

    Raises:
        InputError: fewer than two cohorts, two of one name, or another network.

    Reference:
        Kushibar et al. 2019 (P5): features of the 555-long layer before and after standardisation.
    """
    names = [cohort.name for cohort in request.cohorts]
    if len(set(names)) < max(2, len(names)):
        raise InputError("two or more cohorts of different names are compared", "Give --cohort A --cohort B")
    info = request.bundle.info
    identity = {
        "weights": info.weights_sha256,
        "cohorts": {cohort.name: [case.id for case in cohort.cases] for cohort in request.cohorts},
        "voxels": request.voxels_each,
        "seed": request.seed,
        "neurograft": neurograft.__version__,
    }
    shares, tables = {}, []
    with staged_directory(request.out, identity, request.overwrite) as folder:
        for name, preparation in preparations(request).items():
            found = joined_features(
                request.bundle, request.cohorts, preparation, request.voxels_each, request.seed, progress
            )
            table = pd.concat([found.voxels, project(found.features, request.seed)], axis=1)
            shares[name] = own_cohort_share(found.features, found.voxels)
            title = (
                f"{info.name}: {found.features.shape[1]} features, {name} standardisation; "
                f"{shares[name]:.0%} of neighbours are of the own cohort"
            )
            write_feature_figure(folder / f"{name}.png", table, title)
            tables.append(table.assign(standardisation=name))
        write_table(folder / "features.tsv", pd.concat(tables, ignore_index=True))
        figures = {"own_cohort_share": shares, "neighbours": NEIGHBOURS, "mixed_would_be": 1 / len(names)}
        write_json(folder / "features.json", {**identity, **figures})
    return shares


def preparations(request: FeatureRequest) -> dict[str, PreparationConfig]:
    """How scans are prepared for either figure."""
    own = request.bundle.info.recipe.preparation
    has_scale = own.normalisation in ("nyul", "histogram")
    plain = own.model_copy(update={"normalisation": "zscore_nonzero"}) if has_scale else own
    if has_scale and own.standard.landmarks is not None:
        return {BEFORE: plain, AFTER: own}
    scaled = own.model_copy(update={"normalisation": "nyul"})
    standard = cohort_standard(request.cohorts[0], scaled)
    return {BEFORE: plain, AFTER: scaled.model_copy(update={"standard": standard})}
