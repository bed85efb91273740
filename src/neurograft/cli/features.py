"""``neurograft features``: what a tri-planar model makes of two cohorts."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import BidsOption, JsonOption, OutOption, OverwriteOption, SeedOption, Selection


def features(
    model: Annotated[Path, typer.Option(help="A tri-planar model, such as of p5-subcortical.", show_default=False)],
    cohort: Annotated[
        list[Path],
        typer.Option("--cohort", help="Labelled scans; twice or more, the source's first.", show_default=False),
    ],
    out: OutOption,
    voxels: Annotated[int, typer.Option(min=30, help="Voxels of each cohort, shared among its structures.")] = 500,
    bids: BidsOption = None,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Draw a model's features of several cohorts by PCA and t-SNE, before and after standardisation."""
    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.models import open_bundle
    from neurograft.reports.feature_views import FeatureRequest, write_feature_views

    cohorts = [Selection(bids=bids).open(path) for path in cohort]
    request = FeatureRequest(open_bundle(model), cohorts, out, voxels, seed, overwrite)
    with progress_bar("Reading scans") as progress:
        shares = write_feature_views(request, progress)
    if json:
        show_json({"out": str(out), "own_cohort_share": shares, "mixed_would_be": 1 / len(cohorts)})
        return
    rows = [(name, f"{share:.2f}", str(out / f"{name}.png")) for name, share in shares.items()]
    show_table("", ("standardisation", "neighbours of the own cohort", "figure"), rows)
    typer.echo(f"Mixed cohorts would have {1 / len(cohorts):.2f}; a gap that no voxel crosses has 1.")
