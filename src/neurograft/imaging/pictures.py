"""Photographs and other pictures, read as volumes of one slice.

A colour of a picture is named like a file in it: ``beach.jpg/red``. What all of a picture shows, where its
folder says so, is ``beach.jpg/class``; and ``beach.png/values`` are the numbers of a picture that is a mask.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
COLOURS = ("red", "green", "blue")
CLASS, VALUES = "class", "values"
LONG_SIDE_MM = 256.0
"""What the longer side of a picture counts as: pictures have no size, and this is that of P4's slices."""


def is_picture_file(path: Path) -> bool:
    """Whether a name is that of a picture; hidden files are not."""
    return not path.name.startswith(".") and path.name.lower().endswith(SUFFIXES)


def is_part_of_picture(path: Path) -> bool:
    """Whether a path names something in a picture, such as ``beach.jpg/red``."""
    return path.name in (*COLOURS, CLASS, VALUES) and is_picture_file(path.parent)


def file_of(path: Path) -> Path:
    """The file that a path means: the path itself, or the picture that it names a part of."""
    return path.parent if is_part_of_picture(path) else path


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted: class k is the k-th, from 1."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def read_part_of_picture(path: Path) -> tuple[np.ndarray, Grid]:
    """Read a colour, the class or the values of a picture.

    A picture's columns run from left to right and its rows from front to back, as in an axial slice of a head.
    A grey picture has the same number in each colour.

    Returns:
        (columns, rows, 1) and a grid of voxels of such a size that the longer side is 256 mm; the slice is 1 mm
        thick.

    Raises:
        InputError: no picture that can be read, or one with colours where values are wanted.
    """
    picture = _opened(path.parent)
    if path.name == CLASS:
        folder = path.parent.parent
        value = 1 + class_folders(folder.parent).index(folder.name)
        rows = np.full((picture.height, picture.width), value, np.int32)
    elif path.name == VALUES:
        if picture.mode not in ("1", "L", "P", "I", "I;16"):
            raise InputError(
                "a mask has one number a pixel, and this picture has colours",
                "Save it in greys or with a palette",
                path.parent,
            )
        rows = np.asarray(picture).astype(np.int32)
    elif picture.mode in ("L", "I", "I;16", "F"):
        rows = np.asarray(picture).astype(np.float32)
    else:
        rows = np.asarray(picture.convert("RGB"))[..., COLOURS.index(path.name)].astype(np.float32)
    # Rows are stored from above, and the second axis of a volume rises to the front.
    voxels = np.ascontiguousarray(rows.T[:, ::-1, None])
    side = LONG_SIDE_MM / max(picture.size)
    return voxels, Grid.from_affine(voxels.shape, np.diag([side, side, 1.0, 1.0]))


def _opened(path: Path) -> "Image":
    # Where no picture is read nobody needs to have Pillow.
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except FileNotFoundError as error:
        raise InputError("the file does not exist", "Check the path", path) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"no picture can be read from it ({error})", "Copy or convert it again", path) from error
