"""A cohort on disk of susceptibility maps of the midbrain, by either of P2's two protocols, with the truth."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import staged_directory, write_table
from neurograft.phantoms.susceptibility_nuclei import NUCLEI
from neurograft.phantoms.susceptibility_raters import LABELS, drawn_labels, true_labels
from neurograft.phantoms.susceptibility_subject import (
    FieldOfView,
    Protocol,
    SusceptibilitySubject,
    draw_susceptibility,
    render_susceptibility,
)

Drawer = Literal["truth", "rater1", "rater2"]
"""Whose label maps a cohort has: the truth itself, or a drawing."""

_SCANNER_SPACE = 1
"""NIfTI code of scanner coordinates: each person is in a space of their own, not in the template's."""


def make_susceptibility_cohort(
    out: Path,
    subjects: int,
    seed: int,
    protocol: Protocol = "target",
    label: Drawer = "truth",
    raters: bool = False,
    field_of_view: FieldOfView = "midbrain",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of susceptibility maps, in ppm, as a table, images and label maps.

    By the protocol ``source`` voxels are 0.63 x 0.63 x 2 mm and the labels RN and SN-STN (nigra and subthalamic
    nucleus as one); by ``target`` they are 0.83 x 0.83 x 0.80 mm and the labels RN, SN and STN. The columns
    `true_susceptibility_<nucleus>_ppm` and `true_volume_<nucleus>_mm3` (both sides) hold the truth of each nucleus
    whatever is labelled.

    Args:
        out: folder to make.
        subjects: number of people.
        seed: seed of the cohort. The same seed gives the same people by either protocol, and a larger cohort begins
            with the people of a smaller one: take another seed for a target cohort than for its source.
        protocol: voxels and labels.
        label: whose label maps the table names, to train on.
        raters: write drawings by two raters in folders `rater1` and `rater2`, and the truth in `truth`.
        field_of_view: `midbrain`, or `wide` for P2's centre crops of 80 mm.
        overwrite: replace a cohort made earlier.
        progress: called after each person with the number done and the number in all.

    Returns:
        The path of the cohort's table, `cohort.tsv` in `out`.

    Raises:
        InputError: an argument is out of its range, or `out` exists.
    """
    _check(subjects, seed)
    for what, chosen, choices in (
        ("protocol", protocol, get_args(Protocol)),
        ("label", label, get_args(Drawer)),
        ("field of view", field_of_view, get_args(FieldOfView)),
    ):
        if chosen not in choices:
            raise InputError(f"unknown {what} {chosen!r}", f"Choose one of {', '.join(choices)}")
    raters = raters or label != "truth"
    identity = {"susceptibility_phantom": 2, "subjects": subjects, "seed": seed, "protocol": protocol}
    options = {"label": label, "raters": raters, "field_of_view": field_of_view}
    with staged_directory(out, {**identity, **options}, overwrite) as folder:
        rows = []
        for index in range(subjects):
            draw = draw_susceptibility(index, seed)
            person = render_susceptibility(draw, protocol, field_of_view)
            drawings = {"truth" if raters else "labels": true_labels(person, protocol)}
            if raters:
                drawings |= {
                    "rater1": drawn_labels(person, draw, protocol, "rater1", index, seed),
                    "rater2": drawn_labels(person, draw, protocol, "rater2", index, seed),
                }
            name = f"seed{seed}n{index:03d}"
            row = _write_subject(folder, person, name, drawings, label if raters else "labels")
            rows.append({**row, "seed": seed, "index": index})
            if progress is not None:
                progress(index + 1, subjects)
        write_table(folder / "cohort.tsv", pd.DataFrame(rows))
        LabelTable.from_names(dict(enumerate(LABELS[protocol], start=1))).to_tsv(folder / "labels.tsv")
    return Path(out) / "cohort.tsv"


def _write_subject(
    folder: Path,
    person: SusceptibilitySubject,
    name: str,
    drawings: Mapping[str, NDArray[np.uint8]],
    chosen: str,
) -> dict[str, object]:
    """Write the volumes of one person and return the person's row of the table."""
    grid = Grid.from_affine(person.image.shape, person.affine, code=_SCANNER_SPACE)
    image, label = f"images/sub-{name}_Chimap.nii.gz", f"sub-{name}_dseg.nii.gz"
    for part in ("images", *drawings):
        (folder / part).mkdir(exist_ok=True)
    write_image(folder / image, person.image, grid)
    for part, labels in drawings.items():
        write_label_map(folder / part / label, labels, grid)
    row: dict[str, object] = {"subject": name, "image": image, "label": f"{chosen}/{label}"}
    for nucleus in NUCLEI:
        row[f"true_susceptibility_{nucleus.lower()}_ppm"] = f"{person.susceptibility_ppm[nucleus]:.6f}"
        row[f"true_volume_{nucleus.lower()}_mm3"] = f"{person.volume_mm3[nucleus]:.2f}"
    return row


def _check(subjects: int, seed: int) -> None:
    if subjects < 1:
        raise InputError(f"a cohort needs one subject or more, not {subjects}", "Ask for at least 1 subject")
    if seed < 0:
        raise InputError(f"the seed must not be negative, but it is {seed}", "Choose a seed of 0 or more")
