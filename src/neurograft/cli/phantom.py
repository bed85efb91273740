"""``neurograft phantom``: make cohorts in which the truth is known."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from neurograft.cli.options import (
    BidsOption,
    CohortOption,
    OutOption,
    OverridesArgument,
    OverwriteOption,
    Selection,
    SubjectsOption,
    WhereOption,
)

if TYPE_CHECKING:
    from neurograft.phantoms.ageing import Channel
    from neurograft.phantoms.anatomy import FieldOfView
    from neurograft.phantoms.lesion_subject import Channel as LesionChannel
    from neurograft.phantoms.midbrain import Drawer
    from neurograft.phantoms.susceptibility_subject import FieldOfView as MapFieldOfView
    from neurograft.phantoms.susceptibility_subject import Protocol

app = typer.Typer(help="Make a cohort with known truth.", no_args_is_help=True, rich_markup_mode=None)

PeopleOption = Annotated[int, typer.Option("--subjects", min=1, help="Number of people.")]
CohortSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the people.")]


@app.command("midbrain")
def midbrain(
    out: OutOption,
    subjects: PeopleOption = 20,
    seed: CohortSeedOption = 0,
    structures: Annotated[str, typer.Option(help="Structures to label: SNpc, LC or both, with a comma.")] = "SNpc,LC",
    spacing: Annotated[float, typer.Option(help="Voxel size in mm, 0.4 to 1.5.")] = 0.75,
    label: Annotated[str, typer.Option(help="Label maps of the cohort: truth, rater1 or rater2.")] = "truth",
    raters: Annotated[bool, typer.Option("--raters", help="Write two raters' drawings beside the truth.")] = False,
    age_groups: Annotated[
        bool, typer.Option("--age-groups", help="57 older and 25 younger people of every 82, of different contrast.")
    ] = False,
    field_of_view: Annotated[
        str, typer.Option(help="midbrain, or wide (160 x 160 x 128 voxels at 0.75 mm).")
    ] = "midbrain",
    lc_sides: Annotated[
        bool, typer.Option("--lc-sides", help="Label the LC of each side apart: left LC and right LC.")
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Neuromelanin-sensitive scans of the midbrain, with substantia nigra and locus coeruleus."""
    from neurograft.cli.display import progress_bar
    from neurograft.phantoms import make_midbrain_cohort

    with progress_bar("Making people") as progress:
        table = make_midbrain_cohort(
            out,
            subjects,
            seed,
            structures=_names(structures),
            spacing_mm=spacing,
            overwrite=overwrite,
            progress=progress,
            age_groups=age_groups,
            raters=raters,
            label=cast("Drawer", label),
            field_of_view=cast("FieldOfView", field_of_view),
            lc_sides=lc_sides,
        )
    typer.echo(table)


@app.command("ageing")
def ageing(
    out: OutOption,
    subjects: PeopleOption = 20,
    seed: CohortSeedOption = 0,
    channels: Annotated[str, typer.Option(help="Images to make: T1w, T2w or both, with a comma.")] = "T1w",
    spacing: Annotated[float, typer.Option(help="Voxel size in mm, 1 to 4.")] = 2.0,
    scatter: Annotated[
        float, typer.Option(help="How much the ventricles of people of one age differ, 0 to 0.4 of their volume.")
    ] = 0.2,
    overwrite: OverwriteOption = False,
) -> None:
    """Brains between 20 and 85 years, whose ventricles grow with age."""
    from neurograft.cli.display import progress_bar
    from neurograft.phantoms import make_ageing_cohort

    with progress_bar("Making people") as progress:
        table = make_ageing_cohort(
            out,
            subjects,
            seed,
            channels=cast("list[Channel]", _names(channels)),
            spacing_mm=spacing,
            scatter=scatter,
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(table)


@app.command("susceptibility")
def susceptibility(
    out: OutOption,
    subjects: PeopleOption = 20,
    seed: CohortSeedOption = 0,
    protocol: Annotated[
        str,
        typer.Option(
            help="source (0.63 x 0.63 x 2 mm; RN and SN-STN) or target (0.83 x 0.83 x 0.80 mm; RN, SN and STN)."
        ),
    ] = "target",
    label: Annotated[str, typer.Option(help="Label maps of the cohort: truth, rater1 or rater2.")] = "truth",
    raters: Annotated[bool, typer.Option("--raters", help="Write two raters' drawings beside the truth.")] = False,
    field_of_view: Annotated[str, typer.Option(help="midbrain, or wide (96 x 96 x 88 mm).")] = "midbrain",
    overwrite: OverwriteOption = False,
) -> None:
    """Susceptibility maps of the midbrain, with red nucleus, substantia nigra and subthalamic nucleus."""
    from neurograft.cli.display import progress_bar
    from neurograft.phantoms import make_susceptibility_cohort

    with progress_bar("Making people") as progress:
        table = make_susceptibility_cohort(
            out,
            subjects,
            seed,
            protocol=cast("Protocol", protocol),
            label=cast("Drawer", label),
            raters=raters,
            field_of_view=cast("MapFieldOfView", field_of_view),
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(table)


@app.command("lesions")
def lesions(
    out: OutOption,
    subjects: PeopleOption = 20,
    seed: CohortSeedOption = 0,
    channels: Annotated[str, typer.Option(help="Images to make: T1w, FLAIR or both, with a comma.")] = "T1w",
    spacing: Annotated[float, typer.Option(help="Voxel size in mm, 1 to 4.")] = 2.0,
    overwrite: OverwriteOption = False,
) -> None:
    """Brains with white-matter lesions, as many and as large as in multiple sclerosis."""
    from neurograft.cli.display import progress_bar
    from neurograft.phantoms import make_lesion_cohort

    with progress_bar("Making people") as progress:
        table = make_lesion_cohort(
            out,
            subjects,
            seed,
            channels=cast("list[LesionChannel]", _names(channels)),
            spacing_mm=spacing,
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(table)


@app.command("synthetic")
def synthetic(
    out: OutOption,
    cohort: CohortOption,
    recipe: Annotated[str, typer.Option(help="A shipped recipe's name or a YAML file.")] = "synthetic-brain",
    images: Annotated[int, typer.Option("--images", min=1, help="Images of each label map.")] = 1,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    seed: CohortSeedOption = 0,
    overwrite: OverwriteOption = False,
    overrides: OverridesArgument = None,
) -> None:
    """Images made from a cohort's label maps, of the looks that a recipe's section synthesis draws."""
    from neurograft.cli.display import progress_bar
    from neurograft.recipes import load_recipe
    from neurograft.training.synthetic_cohort import write_synthetic_cohort

    chosen = load_recipe(recipe, overrides or ())
    people = Selection(subjects, where, bids).open(cohort)
    with progress_bar("Making images") as progress:
        table = write_synthetic_cohort(people, chosen, out, images, seed, overwrite, progress)
    typer.echo(table)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
