"""``neurograft deep-image-prior``: a whole label map from one scan and a few drawn slices, without any training set."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, SeedOption, chosen


def deep_image_prior(
    image: Annotated[Path, typer.Option(help="The scan.", show_default=False)],
    label: Annotated[Path, typer.Option(help="Its label map, drawn in some slices.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="File for the mask; must not exist.", show_default=False)],
    slice_axis: Annotated[
        str | None,
        typer.Option(
            help="sagittal, coronal or axial: slices that show no label were not drawn. Not needed where the label "
            "table has a value for voxels that were not annotated.",
            show_default=False,
        ),
    ] = None,
    label_table: Annotated[
        Path | None, typer.Option(help="labels.tsv; by default the one beside the label map.", show_default=False)
    ] = None,
    start: Annotated[str, typer.Option("--from", help="What the network sees: noise or image.")] = "image",
    steps: Annotated[int, typer.Option(min=4, help="Steps after which the fit stops.")] = 300,
    margin_mm: Annotated[
        float, typer.Option(min=0, help="Looked at around what is drawn; beyond lies background.")
    ] = 15.0,
    seed: SeedOption = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: JsonOption = False,
) -> None:
    """Fill in the label map of one scan that is drawn in a few slices only.

    A network with random weights is fitted to this image and its drawn voxels, and to nothing else.
    It is a baseline: a model adapted from a source should beat it.
    """
    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.training.deep_image_prior import ImagePrior
    from neurograft.training.image_prior_files import ImagePriorRequest, segment_with_image_prior

    config = ImagePrior(steps=steps, start=chosen("--from", start, ImagePrior, "start"))
    request = ImagePriorRequest(image, label, out, config, slice_axis, label_table, margin_mm, seed, overwrite)
    with progress_bar("Fitting") as progress:
        summary = segment_with_image_prior(request, progress)
    if json:
        show_json(summary)
    else:
        show_table("", ("", ""), [(name.replace("_", " "), str(value)) for name, value in summary.items()])
