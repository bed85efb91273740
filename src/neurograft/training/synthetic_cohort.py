"""Made images written down: a cohort like any other, for whatever cannot make them while training runs."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch

from neurograft.cohorts import Case, Cohort
from neurograft.cohorts.derived_tables import image_column
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map, write_image, write_label_map
from neurograft.imaging.preparation import prepare_classes
from neurograft.outputs import staged_directory, write_table
from neurograft.phantoms.synthesis import Synthesiser
from neurograft.recipes.schema import AugmentationConfig, PreparationConfig, Recipe
from neurograft.sampling.augmentation.spatial import draw_spatial, flipped_array_axes
from neurograft.sampling.batches import hashed
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.extraction import extract
from neurograft.sampling.patches import PatchDraw
from neurograft.training.generation import generation_map, prepare_without_image
from neurograft.training.synthetic import synthesiser_for, with_made_channels


def write_synthetic_cohort(
    cohort: Cohort,
    recipe: Recipe,
    out: Path,
    images_each: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write images made from a cohort's label maps, each with the label map as it was deformed.

    Geometry is the recipe's ``preparation`` and ``augmentation``, looks its ``synthesis``. All images of one
    label map are of one subject. Intensities are not normalised: white matter of the T1-like look is 1.

    Args:
        cohort: with label maps; images are not looked at.
        recipe: with ``synthesis.enabled``.
        out: directory for ``cohort.tsv``, ``labels.tsv``, ``images`` and ``labels``.
        images_each: images of each label map.
        seed: of everything that is drawn.
        overwrite: replace an earlier cohort there.
        progress: called with the number of images made and in all.

    Returns:
        The table.

    Raises:
        InputError: the recipe makes no images, nothing is labelled, a label was not looked for everywhere,
            or a file cannot be used.
    """
    if not recipe.synthesis.enabled:
        raise InputError("the recipe makes no images", "Set synthesis.enabled=true, or use the recipe synthetic-brain")
    whole = with_made_channels(cohort, recipe)
    chosen = whole.select_labels(recipe.labels).labelled()
    plain = recipe.model_copy(
        update={
            "preparation": recipe.preparation.model_copy(update={"normalisation": "none"}),
            # A tight crop is a patch; written images are of whole volumes.
            "synthesis": recipe.synthesis.model_copy(update={"tight_view_probability": 0.0}),
        }
    )
    synthesiser = synthesiser_for(whole, plain)
    if synthesiser is None or not chosen.cases:
        raise InputError("no case has a label map to make images from", "Give a cohort with label maps", cohort.source)
    for case in chosen.cases:
        open_here = [name for name in chosen.labels.names if case.state_of(name) != "dense"]
        if open_here:
            # Neither the image nor the written label map could show what nobody drew.
            raise InputError(
                f"{', '.join(open_here)} is not annotated throughout in case {case.id}",
                "Leave the case out, or ask for other labels with labels=[...]",
                case.label,
            )
    settings = {
        "recipe": recipe.model_dump(mode="json"),
        "images_each": images_each,
        "seed": seed,
        "cases": {case.id: str(case.label) for case in chosen.cases},
    }
    rows: list[Mapping[str, str]] = []
    with staged_directory(out, settings, overwrite) as folder:
        for part in ("images", "labels"):
            (folder / part).mkdir(exist_ok=True)
        for case in chosen.cases:
            for number in range(1, images_each + 1):
                generator = torch.Generator().manual_seed(hashed(f"{seed}/{case.id}/{number}"))
                rows.append(_write(folder, case, number, chosen, plain, synthesiser, generator))
                if progress is not None:
                    progress(len(rows), len(chosen.cases) * images_each)
        write_table(folder / "cohort.tsv", pd.DataFrame(rows))
        chosen.labels.to_tsv(folder / "labels.tsv")
    return Path(out) / "cohort.tsv"


def _write(
    folder: Path,
    case: Case,
    number: int,
    cohort: Cohort,
    recipe: Recipe,
    synthesiser: Synthesiser,
    generator: torch.Generator,
) -> dict[str, str]:
    """Make one image of a case, write it with its labels, and return its row of the table."""
    if case.label is None:
        raise ValueError(f"case {case.id} has no label map")
    augmentation, preparation = recipe.augmentation, recipe.preparation
    label_map = read_label_map(case.label)
    prepared = prepare_without_image(case, label_map, preparation)
    example = TrainingCase(
        case.id,
        case.subject,
        torch.empty(0, *prepared.grid.shape),
        torch.from_numpy(prepare_classes(label_map, cohort.labels, prepared)),
        generation=generation_map(label_map, prepared, synthesiser),
    )
    shape, spacing = example.shape, prepared.grid.spacing_mm
    axes = _flip_axes(augmentation, cohort, preparation)
    spatial = draw_spatial(augmentation, shape, 1, generator, axes)
    first, second, third = ((length - 1) / 2 for length in shape)
    mirror_axis = flipped_array_axes(["left-right"], preparation.orientation)[0]
    classes, target = extract(
        [example],
        [PatchDraw(0, (first, second, third))],
        spatial,
        shape,
        cohort.labels.mirror_pairs(),
        spacing_mm=spacing,
        mirror_axis=mirror_axis,
    )
    draws = synthesiser.draw(1, shape, spacing, generator)
    voxels = [] if example.generation is None else [example.generation.voxels]
    images, seen = synthesiser.make(classes[:, 0], draws, spacing, voxels)
    name = f"{case.id}_{number:02d}"
    row = {"subject": case.subject, "session": str(number)}
    for channel, image in zip(cohort.channels, images[0], strict=True):
        file = f"images/{name}_{channel}.nii.gz"
        write_image(folder / file, image.numpy(), prepared.grid)
        row[image_column(channel, cohort)] = file
    row["label"] = f"labels/{name}_dseg.nii.gz"
    values = cohort.labels.to_values(torch.where(seen[0], target[0], 0).numpy())
    write_label_map(folder / row["label"], values, prepared.grid)
    return row


def _flip_axes(augmentation: AugmentationConfig, cohort: Cohort, preparation: PreparationConfig) -> tuple[int, ...]:
    if "left-right" in augmentation.flip_axes and cohort.labels.unpaired_sides():
        raise InputError(
            f"left-right flips have no partner for {', '.join(cohort.labels.unpaired_sides())}",
            "Take left-right out of augmentation.flip_axes, or give both sides of each structure in labels",
        )
    return flipped_array_axes(augmentation.flip_axes, preparation.orientation)
