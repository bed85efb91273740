"""An atlas on disk: probability maps, the image that they belong to, and who they were made from."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurograft.cohorts.fingerprints import CohortFingerprint
from neurograft.errors import InputError
from neurograft.imaging.files import read_image
from neurograft.imaging.frames import read_frames
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.template import mni152
from neurograft.imaging.volume import Volume

MAPS, REFERENCE, LABELS, CARD = "atlas.nii.gz", "reference.nii.gz", "labels.tsv", "atlas.json"


@dataclass(frozen=True, eq=False)
class Atlas:
    """Probabilities of labels in a common space.

    Attributes:
        names: of the frames; background is not among them, and is what they leave of 1.
        frames: float32 (K, D, H, W) within 0 to 1.
        grid: of a frame.
        reference: the image of the common space that scans are registered to.
        people: who it was made from; ``None`` for an atlas from elsewhere.
        path: the file or folder.
    """

    names: tuple[str, ...]
    frames: NDArray[np.float32]
    grid: Grid
    reference: Volume
    people: CohortFingerprint | None
    path: Path


def open_atlas(path: Path, reference: Path | None = None) -> Atlas:
    """Open a folder of ``neurograft atlas build``, or a 4D file from elsewhere.

    Args:
        path: the folder, or a file of one frame a label; ``labels.tsv`` beside it names the frames
            in the order of its indices.
        reference: for a file: an image in the atlas's space, without skull like the scans; by
            default the MNI152 template.

    Raises:
        InputError: not an atlas, or names that are more or fewer than the frames.
    """
    path = Path(path)
    if path.is_dir() and not (path / MAPS).is_file():
        raise InputError(f"no atlas here: {MAPS} is missing", "Give what neurograft atlas build wrote", path)
    maps = path / MAPS if path.is_dir() else path
    frames, grid = read_frames(maps)
    if not np.isfinite(frames).all() or frames.min() < 0:
        raise InputError("an atlas holds probabilities, and some are negative or NaN", "Correct the file", maps)
    if frames.max() > 1:  # percent, as FSL's atlases are
        if frames.max() > 100:
            raise InputError(
                f"an atlas holds probabilities, and the largest value is {frames.max():g}",
                "Give values from 0 to 1, or percent",
                maps,
            )
        frames = frames / np.float32(100)
    table = maps.parent / LABELS
    if not table.is_file():
        raise InputError("nothing names the atlas's frames", f"Put {LABELS} with index and name beside it", maps)
    labels = LabelTable.from_tsv(table)
    names = tuple(label.name for label in sorted(labels.labels, key=lambda label: label.values[0]))
    if len(names) != len(frames):
        raise InputError(
            f"the atlas has {len(frames)} frames, and {LABELS} names {len(names)} labels", "Name each frame", maps
        )
    people = None
    beside = maps.parent / REFERENCE
    if path.is_dir():
        try:
            card = json.loads((path / CARD).read_text("utf-8"))
            people = CohortFingerprint.from_dict(card["people"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"cannot be read ({error})", "Build the atlas anew", path / CARD) from error
    if reference is not None:
        image = read_image(reference)
    else:
        image = read_image(beside) if path.is_dir() else mni152(1)
    return Atlas(names, frames, grid, image, people, path)
