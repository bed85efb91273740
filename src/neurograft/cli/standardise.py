"""``neurograft standardise``: measure an intensity scale on one cohort, bring another to it."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import BidsOption, OutOption, OverwriteOption, Selection, SubjectsOption, WhereOption

app = typer.Typer(
    help="Measure an intensity scale on scans, and bring scans to it.", no_args_is_help=True, rich_markup_mode=None
)
CohortArgument = Annotated[Path, typer.Argument(metavar="COHORT", help="Table, BIDS dataset or Decathlon folder.")]


@app.command("fit")
def fit(
    cohort: CohortArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write, such as standard.json.", show_default=False)],
    method: Annotated[str, typer.Option(help="nyul (landmarks) or histogram (all quantiles).")] = "nyul",
    foreground: Annotated[
        str, typer.Option(help="Voxels that count: nonzero (no skull) or above_mean (air around the head).")
    ] = "nonzero",
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Measure the intensity scale of a cohort: one JSON file, for preparation.standard=FILE."""
    from neurograft.cli.display import progress_bar
    from neurograft.cli.options import chosen
    from neurograft.cohorts.standards import cohort_standard
    from neurograft.errors import InputError
    from neurograft.imaging.standardisation.landmarks import Foreground
    from neurograft.imaging.standardisation.standard import Method
    from neurograft.outputs import write_json
    from neurograft.recipes.schema import PreparationConfig

    preparation = PreparationConfig.model_validate(
        {
            "normalisation": chosen("--method", method, Method),
            "standard": {"foreground": chosen("--foreground", foreground, Foreground)},
        }
    )
    if out.is_dir():
        raise InputError("is a folder", "Give --out a file name, such as standard.json", out)
    if out.exists() and not overwrite:
        raise InputError("the output exists", "Choose another --out, or pass --overwrite to replace it", out)
    with progress_bar("Reading scans") as progress:
        standard = cohort_standard(Selection(subjects, where, bids).open(cohort), preparation, progress)
    write_json(out, standard.model_dump(mode="json"))
    typer.echo(out)


@app.command("apply")
def apply(
    cohort: CohortArgument,
    out: OutOption,
    standard: Annotated[str, typer.Option(help="File that neurograft standardise fit wrote.", show_default=False)],
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a cohort's scans on an intensity scale: images on their own grids and a cohort table."""
    from neurograft.cli.display import progress_bar
    from neurograft.cohorts.standardised import write_standardised
    from neurograft.recipes.loading import override_recipe

    config = override_recipe({"preparation": {"standard": standard}}, ()).preparation.standard
    with progress_bar("Writing scans") as progress:
        table = write_standardised(Selection(subjects, where, bids).open(cohort), config, out, overwrite, progress)
    typer.echo(table)
