"""A prior: for every voxel of an image, how probable each label is before the image is looked at.

An atlas brought to a scan is one. On disk it is a 4D file, a frame a label, on the scan's own grid. A
``labels.tsv`` beside it names the frames, in the order of its indices; background need not be among them.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.imaging.cropping import crop
from neurograft.imaging.files import stem
from neurograft.imaging.frames import read_frames
from neurograft.imaging.grid import Grid
from neurograft.imaging.orientation import restore_orientation
from neurograft.imaging.preparation import PreparedImage
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.volume import Volume

logger = logging.getLogger(__name__)

BACKGROUND = "background"
NAMES = "labels.tsv"


@dataclass(frozen=True, eq=False)
class Prior:
    """Probabilities of labels on the grid of an image's files.

    Attributes:
        names: of the frames; background is the first.
        frames: float32 (P, D, H, W).
        grid: of a frame.
        path: the file.
    """

    names: tuple[str, ...]
    frames: NDArray[np.float32]
    grid: Grid
    path: Path | None = None

    def select(self, names: Sequence[str]) -> "Prior":
        """The frames with these names, in this order; those of a file without names by their position.

        What is left out counts as background.

        Raises:
            InputError: a name that the prior does not have.
        """
        if tuple(names) == self.names:
            return self
        if set(names) <= set(self.names):
            frames = self.frames[[self.names.index(name) for name in names]]
            if BACKGROUND in names:
                left_out = [number for number, name in enumerate(self.names) if name not in names]
                frames[list(names).index(BACKGROUND)] += self.frames[left_out].sum(0)
            return replace(self, names=tuple(names), frames=frames)
        if len(names) == len(self.names) and self.names == _numbered(len(self.names) - 1):
            logger.info("%s names no frames: they are taken in the order %s", self.path, ", ".join(names))
            return replace(self, names=tuple(names))
        missing = [name for name in names if name not in self.names]
        raise InputError(
            f"the prior has no frame for {', '.join(missing)}; it has {', '.join(self.names)}",
            f"Name its frames in {NAMES} beside it, by index and name",
            self.path,
        )


def read_prior(path: Path) -> Prior:
    """Read a prior, name its frames and put background first.

    Where the file has no frame for background, background is what the others leave of 1. A voxel in which
    all frames are 0, as around a warped atlas, is background (P5).

    Raises:
        InputError: not readable, values outside of 0 to 1, or names that are more or fewer than the frames.
    """
    frames, grid = read_frames(path)
    if not np.isfinite(frames).all() or frames.min() < 0 or frames.max() > 1 + 1e-3:
        raise InputError(
            f"a prior holds probabilities, and these values run from {frames.min():g} to {frames.max():g}",
            "Give probabilities from 0 to 1, a frame a label",
            path,
        )
    names = _frame_names(path, len(frames))
    if BACKGROUND in names:
        place = names.index(BACKGROUND)
        order = [place, *(number for number in range(len(names)) if number != place)]
        frames, names = frames[order], tuple(names[number] for number in order)
        frames[0][frames.sum(0) == 0] = 1
    else:
        rest = np.clip(1 - frames.sum(0, keepdims=True), 0, 1)
        frames, names = np.concatenate([rest, frames]), (BACKGROUND, *names)
    return Prior(names, frames, grid, path)


def with_prior(prepared: PreparedImage, prior: Prior) -> PreparedImage:
    """A prepared image with a prior's frames as further channels, brought to its grid linearly.

    Raises:
        InputError: the prior lies on another grid than the image's files.
    """
    if not prior.grid.same_as(prepared.source_grid):
        raise InputError(
            f"the prior does not lie on the image's grid: {prior.grid.difference(prepared.source_grid)}",
            "Resample it onto the image, as neurograft atlas apply does",
            prior.path,
        )
    frames = restore_orientation(prior.frames, prepared.placed_grid, prepared.oriented_grid)
    if prepared.is_resampled:
        outside = [1.0, *[0.0] * (len(frames) - 1)]
        moved = [
            resample_to_grid(Volume(frame, prepared.oriented_grid), prepared.full_grid, "linear", fill).data
            for frame, fill in zip(frames, outside, strict=True)
        ]
        frames = np.stack(moved)
    cut = crop(frames, prepared.box).astype(np.float32)
    cut[0][cut.sum(0) == 0] = 1
    return replace(prepared, data=np.concatenate([prepared.data, cut]))


def _frame_names(path: Path, frames: int) -> tuple[str, ...]:
    own = path.parent / f"{stem(path)}_{NAMES}"
    found = own if own.is_file() else path.parent / NAMES
    if not found.is_file():
        return _numbered(frames)[1:]
    table = pd.read_csv(found, sep="\t", dtype=str, keep_default_na=False)
    if not {"index", "name"} <= set(table) or not table["index"].str.fullmatch(r"\d+").all():
        raise InputError("does not name frames", "Give columns index, with whole numbers, and name", found)
    names = tuple(table.iloc[table["index"].astype(int).argsort(kind="stable")]["name"])
    if len(names) == frames - 1 and BACKGROUND not in names:
        return (BACKGROUND, *names)
    if len(names) != frames:
        raise InputError(
            f"the prior has {frames} frames, and {found.name} names {len(names)} labels",
            f"Name each frame in {own.name} beside it",
            path,
        )
    return names


def _numbered(frames: int) -> tuple[str, ...]:
    """Names for frames without any, after background's."""
    return (BACKGROUND, *(f"frame {number}" for number in range(1, frames + 1)))
