"""A cohort on disk of brains whose ventricles grow with age, so that a network can learn to tell the age."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from neurograft.errors import InputError
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import staged_directory, write_table
from neurograft.phantoms.ageing_subject import SCATTER, SPACING_MM, TISSUES, AgeingSubject, ageing_subject

Channel = Literal["T1w", "T2w"]

_SCANNER_SPACE = 1
"""NIfTI code of scanner coordinates: each person is in a space of their own, not in the template's."""


def make_ageing_cohort(
    out: Path,
    subjects: int,
    seed: int,
    channels: Sequence[Channel] = ("T1w",),
    spacing_mm: float = SPACING_MM,
    scatter: float = SCATTER,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of brains between 20 and 85 years as a table, images and label maps.

    The table's column `age` is in years, `true_ventricle_volume_ml` is that of the lateral ventricles with
    partly filled voxels counted by their share, and `head_volume_factor` is the head's volume as a factor of
    the template's. The labels are ventricles, other CSF, grey matter and white matter.

    Args:
        out: folder to make.
        subjects: number of people.
        seed: seed of the cohort. The same seed gives the same people, and a larger cohort begins with the
            people of a smaller one.
        channels: one or both of "T1w" and "T2w"; with both the table has columns `image_T1w` and `image_T2w`.
        spacing_mm: isotropic voxel size, 1 to 4.
        scatter: standard deviation of the logarithm of the ventricles' volume among people of one age, 0 to 0.4.
        overwrite: replace a cohort made earlier.
        progress: called after each person with the number done and the number in all.

    Returns:
        The path of the cohort's table, `cohort.tsv` in `out`.

    Raises:
        InputError: an argument is out of its range, or `out` exists.
    """
    _check(subjects, seed, channels, spacing_mm, scatter)
    chosen = [channel for channel in get_args(Channel) if channel in channels]
    fingerprint = {"ageing_phantom": 1, "subjects": subjects, "seed": seed, "channels": chosen}
    with staged_directory(out, {**fingerprint, "spacing_mm": spacing_mm, "scatter": scatter}, overwrite) as folder:
        for part in ("images", "labels"):
            (folder / part).mkdir(exist_ok=True)
        rows = []
        for index in range(subjects):
            subject = ageing_subject(index, seed, spacing_mm, scatter)
            rows.append(_write_subject(folder, subject, f"seed{seed}n{index:03d}", chosen) | {"index": index})
            if progress is not None:
                progress(index + 1, subjects)
        write_table(folder / "cohort.tsv", pd.DataFrame(rows).assign(seed=seed))
        LabelTable.from_names({value: name for name, value in TISSUES.items()}).to_tsv(folder / "labels.tsv")
    return Path(out) / "cohort.tsv"


def _write_subject(folder: Path, subject: AgeingSubject, name: str, channels: Sequence[str]) -> dict[str, object]:
    """Write the volumes of one person and return the person's row of the table."""
    grid = Grid.from_affine(subject.labels.shape, subject.affine, code=_SCANNER_SPACE)
    label = f"labels/sub-{name}_dseg.nii.gz"
    write_label_map(folder / label, subject.labels, grid)
    images: dict[str, object] = {}
    for channel in channels:
        image = f"images/sub-{name}_{channel}.nii.gz"
        write_image(folder / image, subject.images[channel], grid)
        images["image" if len(channels) == 1 else f"image_{channel}"] = image
    return {
        "subject": name,
        **images,
        "label": label,
        "age": f"{subject.age_years:.1f}",
        "true_ventricle_volume_ml": f"{subject.ventricle_volume_ml:.4f}",
        "head_volume_factor": f"{subject.head_volume_factor:.6f}",
    }


def _check(subjects: int, seed: int, channels: Sequence[str], spacing_mm: float, scatter: float) -> None:
    if subjects < 1:
        raise InputError(f"a cohort needs one subject or more, not {subjects}", "Ask for at least 1 subject")
    if seed < 0:
        raise InputError(f"the seed must not be negative, but it is {seed}", "Choose a seed of 0 or more")
    if isinstance(channels, str) or not channels or not set(channels) <= set(get_args(Channel)):
        raise InputError(f"the channels are {channels!r}", f"Name one or both of {', '.join(get_args(Channel))}")
    if not 1.0 <= spacing_mm <= 4.0:
        raise InputError(
            f"the voxel size is {spacing_mm} mm", "Choose 1 to 4 mm; the template that it is made from has 1 mm"
        )
    if not 0.0 <= scatter <= 0.4:
        raise InputError(f"the scatter is {scatter}", "Choose 0 to 0.4; 0.2 is a scatter of a fifth of the volume")
