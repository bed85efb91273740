"""An array of voxels together with where they lie in space."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurograft.imaging.grid import Grid


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a grid.

    Args:
        data: array (D, H, W) in the order of the grid's axes; float32 for images, int32 for
            label maps.
        grid: where the voxels lie.
        path: the file it was read from, where there is one; named in error messages.
    """

    data: np.ndarray
    grid: Grid
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.data.shape != self.grid.shape:
            raise ValueError(f"data of shape {self.data.shape} cannot lie on a grid of shape {self.grid.shape}")
