"""Made pictures with masks: shapes cut out of photographs, laid on other parts of photographs.

They stand in for natural images with objects where none are at hand: colours and textures are a photograph's,
the objects are drawn. The photographs are the two that scikit-learn ships, both CC BY 2.0: ``china.jpg`` by
danielbuechele and ``flower.jpg`` by vultilion on Flickr.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import staged_directory

Bytes = NDArray[np.uint8]
Inside = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]


def _star(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.hypot(x, y) < 0.6 + 0.4 * np.cos(5 * np.arctan2(y, x)))


SHAPES: Mapping[str, Inside] = {
    "disc": lambda x, y: np.hypot(x, y) < 0.8,
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.7) < 0.25,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.7,
    "triangle": lambda x, y: (y < 0.6) & (2 * np.abs(x) - 1.2 < y - 0.2),
    "cross": lambda x, y: (np.minimum(np.abs(x), np.abs(y)) < 0.25) & (np.maximum(np.abs(x), np.abs(y)) < 0.9),
    "star": _star,
}
"""Objects by name, in the order of their values 1, 2, ...: whether a point of the square from -1 to 1 is inside."""

_OBJECTS = (1, 4)
_RADIUS_SHARE = (0.12, 0.3)
"""Of the picture's side."""
_SMALLEST_SIDE = 24


def make_picture_cohort(out: Path, pictures: int, seed: int, side: int = 128, overwrite: bool = False) -> Path:
    """Write square pictures of 1 to 4 objects with masks, as a folder that opens as a cohort.

    Args:
        out: folder to make, with ``images``, ``masks`` and ``labels.tsv``.
        pictures: how many. More of one seed begin with the same ones.
        seed: of everything that is drawn.
        side: in pixels, at least 24.
        overwrite: replace pictures made earlier.

    Returns:
        `out`.

    Raises:
        InputError: an argument is out of its range, or `out` exists.
    """
    if pictures < 1 or side < _SMALLEST_SIDE:
        raise InputError(
            f"{pictures} pictures of {side} pixels cannot be made", f"Ask for 1 or more of {_SMALLEST_SIDE} or more"
        )
    if seed < 0:
        raise InputError(f"the seed must not be negative, but it is {seed}", "Choose a seed of 0 or more")
    # Where no picture is made nobody needs to have Pillow.
    from PIL import Image

    with staged_directory(
        out, {"shape_pictures": 1, "pictures": pictures, "seed": seed, "side": side}, overwrite
    ) as at:
        for part in ("images", "masks"):
            (at / part).mkdir(exist_ok=True)
        for index in range(pictures):
            picture, mask = shape_picture(index, seed, side)
            name = f"seed{seed}n{index:05d}.png"
            Image.fromarray(picture).save(at / "images" / name)
            Image.fromarray(mask).save(at / "masks" / name)
        LabelTable.from_names(dict(enumerate(SHAPES, start=1))).to_tsv(at / "labels.tsv")
    return Path(out)


def shape_picture(index: int, seed: int, side: int = 128) -> tuple[Bytes, Bytes]:
    """Make one picture. The same arguments give the same picture, bit for bit.

    Args:
        index: number of the picture, from 0.
        seed: of all pictures.
        side: in pixels.

    Returns:
        Colours (side, side, 3), and values of `SHAPES` (side, side), 0 where there is no object.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(7,)))
    picture = _texture(side, generator)
    mask = np.zeros((side, side), np.uint8)
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    names = list(SHAPES)
    for _ in range(int(generator.integers(_OBJECTS[0], _OBJECTS[1] + 1))):
        value = int(generator.integers(len(names))) + 1
        radius = side * generator.uniform(*_RADIUS_SHARE)
        centre = generator.uniform(radius, side - radius, 2)
        angle = generator.uniform(0, 2 * np.pi)
        down, right = (rows - centre[0]) / radius, (columns - centre[1]) / radius
        inside = SHAPES[names[value - 1]](
            np.cos(angle) * right + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * right
        )
        # An object is lighter or darker than what it lies on, or nobody could see where it ends.
        texture = _texture(side, generator).astype(np.float64)
        shift = float(generator.uniform(40, 90)) * (1 if picture[inside].mean() < 128 else -1)
        own = np.clip(texture - texture[inside].mean() + picture[inside].mean() + shift, 0, 255).astype(np.uint8)
        picture[inside], mask[inside] = own[inside], value
    return picture, mask


def _texture(side: int, generator: np.random.Generator) -> Bytes:
    """A part of a photograph, turned, its colours exchanged, at the given size."""
    photograph = _photographs()[int(generator.integers(2))]
    length = int(generator.integers(96, min(photograph.shape[:2]) + 1))
    top, left = (int(generator.integers(0, size - length + 1)) for size in photograph.shape[:2])
    part = np.rot90(photograph[top : top + length, left : left + length], int(generator.integers(4)))
    part = part[..., generator.permutation(3)]
    rows = np.linspace(0, length - 1, side).round().astype(int)
    return np.ascontiguousarray(part[np.ix_(rows, rows)])


@cache
def _photographs() -> tuple[Bytes, Bytes]:
    """Both photographs at half of their size, (rows, columns, 3)."""
    from sklearn.datasets import load_sample_images

    first, second = (zoom(image, (0.5, 0.5, 1), order=1) for image in load_sample_images().images)
    return first, second
