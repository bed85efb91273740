"""A picture that shows whether a registration went well: the scan and the moved reference, outlines on both."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurograft.imaging.grid import Grid
from neurograft.imaging.orientation import reorient
from neurograft.imaging.registration import SpatialTransform, warp
from neurograft.imaging.registration.score import RegistrationScore
from neurograft.imaging.volume import Volume
from neurograft.outputs import atomic_file
from neurograft.reports.slice_planes import PLANES, Plane
from neurograft.reports.svg import drawing, new_figure

_INCHES = 2.6
_MAP_COLOURS = ("#ffd23f", "#ff6b6b", "#4cc9f0", "#80ed99", "#f78cff", "#ffa94d")
_OUTLINE = "#00e5ff"


def write_registration_overlay(
    path: Path,
    scan: Volume,
    frames: NDArray[np.float32],
    reference: Volume,
    transform: SpatialTransform,
    score: RegistrationScore,
    title: str,
) -> None:
    """Write a PNG of three planes: the scan above, the reference moved onto it below.

    On both are the atlas's labels at probability one half and the outline of the moved reference, so
    that a shift, a wrong size or a brain upside down is seen at once.

    Args:
        path: ends in ``.png``.
        scan: on its own grid.
        frames: (K, *scan shape), the labels' probabilities there; K may be 0.
        reference: in its own space.
        transform: scan to reference.
        score: shown in the title.
        title: whose scan.
    """
    data, grid = reorient(scan.data, scan.grid, "RAS")
    maps, _ = reorient(frames, scan.grid, "RAS") if len(frames) else (np.zeros((0, *data.shape), np.float32), grid)
    centre = _centre(maps.sum(axis=0) if len(maps) else np.abs(data))
    where = np.zeros(grid.shape, bool)
    for plane in PLANES:
        where[(slice(None),) * plane.through + (centre[plane.through],)] = True
    plain = Grid.from_affine(grid.shape, grid.affine)
    moved = warp(reference, transform, plain, where=where)
    verdict = score.suspicious or "no sign of failure"
    with drawing():
        figure = new_figure(3 * _INCHES, 2 * _INCHES + 0.5)
        figure.patch.set_facecolor("#000000")
        heading = f"{title}: overlap {score.overlap:.2f}, local correlation {score.local_correlation:.2f}"
        figure.suptitle(f"{heading}\n{verdict}", color="#ff8787" if score.suspicious else "#ffffff", fontsize=9)
        for column, plane in enumerate(PLANES):
            index = centre[plane.through]
            outline = _cut(moved, plane, index) > 0.05 * max(float(moved.max()), 1e-6)
            for row, shown in enumerate((data, moved)):
                height = _INCHES / (2 * _INCHES + 0.5)
                ax = figure.add_axes((column / 3, (1 - row) * height, 1 / 3, height))
                ax.axis("off")
                picture = _cut(shown, plane, index)
                brightest = max(float(np.percentile(np.abs(picture), 99.5)), 1e-6)
                across, up = grid.spacing_mm[plane.across], grid.spacing_mm[plane.up]
                ax.imshow(picture, cmap="gray", vmin=0, vmax=brightest, origin="lower", aspect=up / across)
                if outline.any() and not outline.all():
                    ax.contour(outline, levels=[0.5], colors=[_OUTLINE], linewidths=0.6)
                for number, part in enumerate(maps):
                    flat = _cut(part, plane, index)
                    if (flat > 0.5).any():
                        ax.contour(flat, levels=[0.5], colors=[_MAP_COLOURS[number % 6]], linewidths=0.9)
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110, facecolor="#000000", metadata={"Software": None})


def _cut(volume: NDArray[np.float32], plane: Plane, index: int) -> NDArray[np.float32]:
    """A slice in radiological convention, rows from bottom to top."""
    return np.moveaxis(volume, (plane.through, plane.up, plane.across), (0, 1, 2))[index][:, ::-1]


def _centre(weights: NDArray[np.float32]) -> tuple[int, int, int]:
    total = float(weights.sum(dtype=np.float64))
    if total <= 0:
        first, second, third = (size // 2 for size in weights.shape)
        return first, second, third
    places = []
    for axis in range(3):
        profile = weights.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
        places.append(round(float((profile * np.arange(len(profile))).sum()) / total))
    return places[0], places[1], places[2]
