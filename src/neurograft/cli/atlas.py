"""``neurograft atlas``: build a probabilistic atlas, bring one to scans."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from neurograft.cli.options import (
    BidsOption,
    CohortOption,
    JsonOption,
    OutOption,
    OverwriteOption,
    Selection,
    SubjectsOption,
    WhereOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from neurograft.cohorts import Cohort
    from neurograft.imaging.volume import Volume

app = typer.Typer(help="Build a probabilistic atlas, bring one to scans.", no_args_is_help=True, rich_markup_mode=None)
ChannelOption = Annotated[
    str | None, typer.Option(help="Channel to register; the first by default.", show_default=False)
]


@app.command("build")
def build(
    cohort: CohortOption,
    out: OutOption,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="A label to map; may be repeated.", show_default=False)
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Image of the space to build in; MNI152 by default.", show_default=False)
    ] = None,
    channel: ChannelOption = None,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Average labelled people in a common space: one 4D file, a frame a label.

    Scans must be without skull, unless the reference shows one. A cohort of label maps without
    images works too: images are made of them.
    """
    from neurograft.cli.display import progress_bar
    from neurograft.cohorts.atlas import BuildRequest, build_atlas

    chosen = Selection(subjects, where, bids).open(cohort)
    made = None if chosen.channels else _made_image(chosen)
    request = BuildRequest(chosen.select_labels(label or None), out, reference, channel, made, overwrite=overwrite)
    with progress_bar("Registering scans") as progress:
        _show(build_atlas(request, progress), out, json)


@app.command("apply")
def apply(
    atlas: Annotated[Path, typer.Option(help="Folder of atlas build, or a 4D file.", show_default=False)],
    cohort: CohortOption,
    out: OutOption,
    reference: Annotated[
        Path | None,
        typer.Option(help="For a 4D file: an image in its space; MNI152 by default.", show_default=False),
    ] = None,
    channel: ChannelOption = None,
    allow_shared_subjects: Annotated[
        bool, typer.Option("--allow-shared-subjects", help="Apply to people whom the atlas was made from too.")
    ] = False,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Bring an atlas to each scan: prior files, pictures, scores, and a cohort table with the column prior."""
    from neurograft.cli.display import progress_bar
    from neurograft.cohorts.atlas import AppliedCase, ApplyRequest, apply_atlas, open_atlas
    from neurograft.reports.registration_overlay import write_registration_overlay

    def draw(path: Path, applied: AppliedCase) -> None:
        found = applied.registered
        write_registration_overlay(
            path, applied.scan, applied.frames, applied.reference, found.transform, found.score, applied.case.id
        )

    request = ApplyRequest(
        open_atlas(atlas, reference),
        Selection(subjects, where, bids).open(cohort),
        out,
        channel,
        draw=draw,
        allow_shared_subjects=allow_shared_subjects,
        overwrite=overwrite,
    )
    with progress_bar("Registering scans") as progress:
        frame = apply_atlas(request, progress)
    _show(frame, out, json)


def _made_image(cohort: "Cohort") -> "Callable[[Volume], Volume]":
    from neurograft.phantoms.pseudo_image import pseudo_t1

    names = {value: label.name for label in cohort.labels.labels for value in label.values}

    def made(label_map: "Volume") -> "Volume":
        return pseudo_t1(label_map, names)

    return made


def _show(frame: "pd.DataFrame", out: Path, json: bool) -> None:
    from neurograft.cli.display import show_json, show_table

    failed = int((frame["suspicious"] != "").sum())
    if json:
        show_json({"out": str(out), "suspicious": failed, "cases": frame.to_dict("records")})
        return
    columns = ("case", "overlap", "local_correlation", "largest_mm", "suspicious")
    rows = cast("list[list[object]]", frame[list(columns)].to_numpy().tolist())
    show_table("", ("case", "overlap", "local correlation", "largest displacement, mm", "suspicious"), rows)
    typer.echo(f"{out}: {len(frame)} cases, {failed} of them suspicious")
