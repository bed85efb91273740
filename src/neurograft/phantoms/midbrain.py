"""A cohort of midbrain phantoms on disk, with the truth beside each image.

Every person has both nuclei in the image; which of them are labelled is a choice, so that a source
cohort labelled for one and a target cohort labelled for the other can be made alike.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.midline import right_half
from neurograft.outputs import staged_directory, write_text
from neurograft.phantoms.anatomy import FIELDS_OF_VIEW, STRUCTURES, FieldOfView
from neurograft.phantoms.groups import age_of, group_of
from neurograft.phantoms.raters import rater_labels
from neurograft.phantoms.subject import SPACING_MM, MidbrainSubject, drawn_subject, midbrain_subject, render_subject

__all__ = ["MidbrainSubject", "make_midbrain_cohort", "midbrain_subject"]

Drawer = Literal["truth", "rater1", "rater2"]
"""Whose label maps a cohort has: the truth itself, or a drawing."""

LC_SIDES: Mapping[str, int] = {"left LC": STRUCTURES["LC"], "right LC": 3}
"""Names and values of the locus coeruleus where its sides are labelled apart."""

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
    *,
    age_groups: bool = False,
    raters: bool = False,
    label: Drawer = "truth",
    field_of_view: FieldOfView = "midbrain",
    lc_sides: bool = False,
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
        age_groups: make people of two age groups, 57 older and 25 younger of 82, whose contrast differs,
            with columns `group` and `age` (in years).
        raters: write drawings by two raters in folders `rater1` and `rater2`, the first rater's second
            drawing in `rater1-again`, and the truth in `truth`, all under the case's name.
        label: whose label maps the table names, to train on; a rater's needs no `raters`.
        field_of_view: `midbrain`, or `wide` for windows of 128 voxels.
        lc_sides: label the locus coeruleus of each side apart, "left LC" (value 2) and "right LC" (value 3).

    Returns:
        The path of the cohort's table, `cohort.tsv` in `out`.

    Raises:
        InputError: an argument is out of its range, or `out` exists.
    """
    _check(subjects, seed, structures, spacing_mm)
    _check_choice("label", label, get_args(Drawer))
    _check_choice("field of view", field_of_view, tuple(FIELDS_OF_VIEW))
    raters = raters or label != "truth"
    labelled = {name: value for name, value in STRUCTURES.items() if name in structures}
    if lc_sides and "LC" in labelled:
        del labelled["LC"]
        labelled |= LC_SIDES
    fingerprint = {"midbrain_phantom": 1, "subjects": subjects, "seed": seed, "structures": list(labelled)}
    choices = {"age_groups": age_groups, "raters": raters, "label": label, "field_of_view": field_of_view}
    with staged_directory(out, {**fingerprint, "spacing_mm": spacing_mm, **choices}, overwrite) as folder:
        rows: list[tuple[str, ...]] = [(*_COLUMNS, *(("group", "age") if age_groups else ()))]
        for index in range(subjects):
            group = group_of(index) if age_groups else None
            draw = drawn_subject(index, seed, group, field_of_view)
            subject = render_subject(draw, spacing_mm, field_of_view)
            drawings = {"labels": subject.labels}
            if raters:
                drawings = {
                    "truth": subject.labels,
                    "rater1": rater_labels(subject, draw, "rater1", index, seed),
                    "rater1-again": rater_labels(subject, draw, "rater1", index, seed, session=2),
                    "rater2": rater_labels(subject, draw, "rater2", index, seed),
                }
            row = _write_subject(folder, subject, index, seed, drawings, label if raters else "labels", labelled)
            rows.append((*row, *((group, f"{age_of(index, seed)}") if group else ())))
            if progress is not None:
                progress(index + 1, subjects)
        write_text(folder / "cohort.tsv", _tsv(rows))
        LabelTable.from_names({value: name for name, value in labelled.items()}).to_tsv(folder / "labels.tsv")
    return Path(out) / "cohort.tsv"


def _write_subject(
    folder: Path,
    subject: MidbrainSubject,
    index: int,
    seed: int,
    drawings: Mapping[str, NDArray[np.uint8]],
    chosen: str,
    labelled: Mapping[str, int],
) -> tuple[str, ...]:
    """Write the volumes of one person and return the person's row of the table.

    Args:
        folder: of the cohort.
        subject: the person.
        index: number of the person.
        seed: seed of the cohort.
        drawings: label maps by folder.
        chosen: the folder whose label map the table names.
        labelled: values of the structures to label, by name.
    """
    name = f"seed{seed}n{index:03d}"
    image = f"images/sub-{name}_NM.nii.gz"
    label = f"sub-{name}_dseg.nii.gz"
    reference = f"references/sub-{name}_desc-reference_mask.nii.gz"
    grid = Grid.from_affine(subject.image.shape, subject.affine, code=_SCANNER_SPACE)
    for part in ("images", "references", *drawings):
        (folder / part).mkdir(exist_ok=True)
    write_image(folder / image, subject.image, grid)
    right = LC_SIDES["right LC"]
    for part, labels in drawings.items():
        if right in labelled.values():
            labels = np.where((labels == STRUCTURES["LC"]) & right_half(grid), right, labels).astype(labels.dtype)
        write_label_map(folder / part / label, np.where(np.isin(labels, list(labelled.values())), labels, 0), grid)
    write_label_map(folder / reference, subject.reference.astype("uint8"), grid)
    truth = (f"{subject.contrast_ratio[structure]:.6f}" for structure in ("SNpc", "LC"))
    return (name, image, f"{chosen}/{label}", reference, *truth, f"{subject.noise_sd:.6f}", str(seed), str(index))


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


def _check_choice(what: str, chosen: str, choices: Sequence[str]) -> None:
    if chosen not in choices:
        raise InputError(f"unknown {what} {chosen!r}", f"Choose one of {', '.join(choices)}")


def _tsv(rows: Sequence[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)
