"""A cohort on disk of brains with white-matter lesions, in T1-weighted and FLAIR contrast, with the truth."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.errors import InputError
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import staged_directory, write_table
from neurograft.phantoms.lesion_subject import SIGNALS, Channel, lesion_subject

_SCANNER_SPACE = 1
_SPACINGS_MM = (1.0, 4.0)


def make_lesion_cohort(
    out: Path,
    subjects: int,
    seed: int,
    channels: Sequence[Channel] = ("T1w",),
    spacing_mm: float = 2.0,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of brains with lesions as a table, images without skull and label maps.

    The columns `true_lesions` and `true_lesion_volume_mm3` count what the label map holds.

    Args:
        out: folder to make.
        subjects: number of people.
        seed: seed of the cohort. A larger cohort begins with the people of a smaller one.
        channels: images to make, of `T1w` and `FLAIR`.
        spacing_mm: voxel size, 1 to 4; P4's is 1.
        overwrite: replace a cohort made earlier.
        progress: called after each person with the number done and the number in all.

    Returns:
        The path of the cohort's table, `cohort.tsv` in `out`.

    Raises:
        InputError: an argument is out of its range, or `out` exists.
    """
    if subjects < 1:
        raise InputError(f"a cohort needs one subject or more, not {subjects}", "Ask for at least 1 subject")
    if seed < 0:
        raise InputError(f"the seed must not be negative, but it is {seed}", "Choose a seed of 0 or more")
    odd = [channel for channel in channels if channel not in SIGNALS]
    if odd or not channels or len(set(channels)) < len(channels):
        raise InputError(
            f"no image can be made for channels {', '.join(channels) or '(none)'}", "Name T1w, FLAIR or both, once each"
        )
    if not _SPACINGS_MM[0] <= spacing_mm <= _SPACINGS_MM[1]:
        raise InputError(f"voxels of {spacing_mm:g} mm cannot be made", "Choose a spacing of 1 to 4 mm")
    identity = {"lesion_phantom": 1, "subjects": subjects, "seed": seed}
    with staged_directory(out, {**identity, "channels": list(channels), "spacing_mm": spacing_mm}, overwrite) as folder:
        rows = []
        for part in ("images", "labels"):
            (folder / part).mkdir(exist_ok=True)
        for index in range(subjects):
            person = lesion_subject(index, seed, spacing_mm)
            name = f"seed{seed}n{index:03d}"
            grid = Grid.from_affine(person.lesions.shape, person.affine, code=_SCANNER_SPACE)
            row: dict[str, object] = {"subject": name}
            for channel in channels:
                image = f"images/sub-{name}_{channel}.nii.gz"
                write_image(folder / image, person.images[channel], grid)
                row["image" if len(channels) == 1 else f"image_{channel}"] = image
            row["label"] = f"labels/sub-{name}_dseg.nii.gz"
            write_label_map(folder / str(row["label"]), person.lesions.astype(np.uint8), grid)
            row |= {"true_lesions": person.count, "true_lesion_volume_mm3": f"{person.volume_mm3:.1f}"}
            rows.append({**row, "seed": seed, "index": index})
            if progress is not None:
                progress(index + 1, subjects)
        write_table(folder / "cohort.tsv", pd.DataFrame(rows))
        LabelTable.from_names({1: "lesion"}).to_tsv(folder / "labels.tsv")
    return Path(out) / "cohort.tsv"
