"""A prepared image as one file: its voxels, and the grids that lead back to the scan's own.

The form is safetensors, which is read without running anything; the grids are JSON in its header. A checksum
over voxels and grids tells a file that lost bits, or was cut off, from a whole one.
"""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from neurograft.imaging.cropping import Box
from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import PreparedImage
from neurograft.outputs import atomic_file

_GRIDS = ("grid", "source_grid", "oriented_grid", "full_grid", "space_grid")
_VOXELS = "voxels"


class DamagedFileError(ValueError):
    """A file that is not what was written."""


def write_prepared(path: Path, prepared: PreparedImage) -> int:
    """Write a prepared image in one move, and give the bytes that it takes.

    Args:
        path: where.
        prepared: what.

    Raises:
        OSError: it cannot be written.
    """
    voxels = np.ascontiguousarray(prepared.data)
    grids: list[Grid] = []
    places: dict[str, int | None] = {}
    for name in _GRIDS:
        grid = getattr(prepared, name)
        # Which grids are one and the same says whether anything was resampled.
        known = next((number for number, one in enumerate(grids) if one is grid), None)
        if known is None and grid is not None:
            known = len(grids)
            grids.append(grid)
        places[name] = known
    header = json.dumps(
        {
            "grids": [_tree(grid) for grid in grids],
            "places": places,
            "box": [list(prepared.box.start), list(prepared.box.stop)],
        }
    )
    with atomic_file(path) as temporary:
        try:
            save_file({_VOXELS: voxels}, temporary, {"image": header, "sha256": _checksum(voxels, header)})
        except SafetensorError as error:
            # What it raises on a full disk is no OSError, and would pass for a failure of ours.
            raise OSError(f"{path} cannot be written: {error}") from error
        return temporary.stat().st_size


def read_prepared(path: Path) -> PreparedImage:
    """Read a prepared image, bit for bit as it was written.

    Args:
        path: where.

    Raises:
        OSError: there is no such file, or it cannot be read.
        DamagedFileError: it is not what was written.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, "numpy") as file:
            told = file.metadata() or {}
            voxels = file.get_tensor(_VOXELS)
        header = told["image"]
        if told["sha256"] != _checksum(voxels, header):
            raise DamagedFileError(f"{path} does not hold what was written")
        tree = json.loads(header)
        grids = [_grid(entry) for entry in tree["grids"]]
        found = {name: None if place is None else grids[place] for name, place in tree["places"].items()}
        start, stop = (tuple(int(index) for index in corner) for corner in tree["box"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{path} cannot be read: {error}") from error
    return PreparedImage(data=voxels, box=Box(start, stop), **found)  # type: ignore[arg-type]


def _checksum(voxels: np.ndarray, header: str) -> str:
    found = hashlib.sha256(header.encode())
    found.update(np.ascontiguousarray(voxels).view(np.uint8).data)
    return found.hexdigest()


def _tree(grid: Grid) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(grid).items()}


def _grid(tree: dict[str, Any]) -> Grid:
    known = {field.name for field in fields(Grid)}
    lists = {name: tuple(value) for name, value in tree.items() if name in ("shape", "file_shape", "zooms")}
    return Grid(**{name: value for name, value in (tree | lists).items() if name in known})
