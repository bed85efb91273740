"""A cohort of midbrain phantoms on disk, with the truth beside each image.

Every person has both nuclei in the image; which of them are labelled is a choice, so that a source
cohort labelled for one and a target cohort labelled for the other can be made alike.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import staged_directory, write_text
from neurograft.phantoms.anatomy import STRUCTURES
from neurograft.phantoms.subject import SPACING_MM, MidbrainSubject, midbrain_subject

__all__ = ["MidbrainSubject", "make_midbrain_cohort", "midbrain_subject"]

_SCANNER_SPACE = 1
"""NIfTI code of scanner coordinates: each person is in a space of their own, not in the template's."""

_COLUMNS = (
    "subject",
    "image",
    "label",
    "reference_region",
    "true_contrast_ratio_snpc",
    "true_contrast_ratio_lc",
    "noise_sd",
    "seed",
    "index",
)


def make_midbrain_cohort(
    out: Path,
    subjects: int,
    seed: int,
    structures: Sequence[str] = ("SNpc", "LC"),
    spacing_mm: float = SPACING_MM,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of midbrain phantoms as a table, images, label maps and reference regions.

    The columns `true_contrast_ratio_snpc` and `true_contrast_ratio_lc` hold (S - R) / R, where S is the
    signal of every voxel wholly inside the structure and R the mean signal over the reference region's
    voxels, both before bias field and noise. What is measured in the image departs from it by noise, by
    the bias field and by the partial volume of voxels on the structure's border. `noise_sd` is a share of
    the brainstem's signal.

    Args:
        out: folder to make.
        subjects: number of people.
        seed: seed of the cohort. The same seed gives the same people, whatever is labelled, and a larger
            cohort begins with the people of a smaller one.
        structures: which of "SNpc" (value 1) and "LC" (value 2) to label. Both are always in the image.
        spacing_mm: isotropic voxel size, 0.4 to 1.5.
        overwrite: replace a cohort made earlier.
        progress: called after each person with the number done and the number in all.

    Returns:
        The path of the cohort's table, `cohort.tsv` in `out`.

    Raises:
        InputError: an argument is out of its range, or `out` exists.
    """
    _check(subjects, seed, structures, spacing_mm)
    labelled = {name: value for name, value in STRUCTURES.items() if name in structures}
    fingerprint = {"midbrain_phantom": 1, "subjects": subjects, "seed": seed, "structures": list(labelled)}
    with staged_directory(out, {**fingerprint, "spacing_mm": spacing_mm}, overwrite) as folder:
        for name in ("images", "labels", "references"):
            (folder / name).mkdir(exist_ok=True)
        rows: list[tuple[str, ...]] = [_COLUMNS]
        for index in range(subjects):
            subject = midbrain_subject(index, seed, spacing_mm)
            rows.append(_write_subject(folder, subject, index, seed, list(labelled.values())))
            if progress is not None:
                progress(index + 1, subjects)
        write_text(folder / "cohort.tsv", _tsv(rows))
        LabelTable.from_names({value: name for name, value in labelled.items()}).to_tsv(folder / "labels.tsv")
    return Path(out) / "cohort.tsv"


def _write_subject(
    folder: Path, subject: MidbrainSubject, index: int, seed: int, values: Sequence[int]
) -> tuple[str, ...]:
    """Write the three volumes of one person and return the person's row of the table."""
    name = f"seed{seed}n{index:03d}"
    image = f"images/sub-{name}_NM.nii.gz"
    label = f"labels/sub-{name}_dseg.nii.gz"
    reference = f"references/sub-{name}_desc-reference_mask.nii.gz"
    grid = Grid.from_affine(subject.image.shape, subject.affine, code=_SCANNER_SPACE)
    labels = subject.labels.copy()
    labels[~np.isin(labels, values)] = 0
    write_image(folder / image, subject.image, grid)
    write_label_map(folder / label, labels, grid)
    write_label_map(folder / reference, subject.reference.astype("uint8"), grid)
    truth = (f"{subject.contrast_ratio[structure]:.6f}" for structure in ("SNpc", "LC"))
    return (name, image, label, reference, *truth, f"{subject.noise_sd:.6f}", str(seed), str(index))


def _check(subjects: int, seed: int, structures: Sequence[str], spacing_mm: float) -> None:
    if subjects < 1:
        raise InputError(f"a cohort needs one subject or more, not {subjects}", "Ask for at least 1 subject")
    if seed < 0:
        raise InputError(f"the seed must not be negative, but it is {seed}", "Choose a seed of 0 or more")
    if isinstance(structures, str) or not structures or not set(structures) <= set(STRUCTURES):
        raise InputError(
            f"the structures to label are {structures!r}", f"Name one or more of {', '.join(STRUCTURES)} in a list"
        )
    if not 0.4 <= spacing_mm <= 1.5:
        raise InputError(
            f"the voxel size is {spacing_mm} mm", "Choose 0.4 to 1.5 mm, in which the locus coeruleus can be seen"
        )


def _tsv(rows: Sequence[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)
