"""The area of the surface that passes between eight neighbouring voxels, for each of their 256 patterns.

The centres of 2 x 2 x 2 voxels are the corners of a cube. Where an edge of the cube joins an inside to
an outside voxel, the surface crosses the edge at its middle. On each face of the cube the crossings are
joined in pairs, and the pieces of the six faces close to polygons: the surface inside the cube.

Two choices are left, and they are made as in the table that the reference implementation of the
surface Dice brings along, to which the areas here are equal:

- a pattern and its opposite (inside and outside exchanged) have the same surface, that in which voxels
  of the side with fewer voxels (the inside, with four of each) are kept apart on a face where they only
  touch across the diagonal;
- a polygon that does not lie in a plane is cut into triangles in the way that gives the greatest area on
  an isotropic grid. Where several ways do, their areas are equal on every grid.

Reference:
    W. E. Lorensen and H. E. Cline, "Marching cubes: a high resolution 3D surface construction
    algorithm", Computer Graphics 21(4), 1987.
    S. Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy",
    Journal of Medical Internet Research 23(7), 2021 (surface Dice).
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from math import hypot

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int, int]
"""A place in the cube in half edge lengths: corners have coordinates 0 and 2, edge middles one 1."""

CORNERS: tuple[Point, ...] = tuple((2 * x, 2 * y, 2 * z) for x, y, z in product((0, 1), repeat=3))
"""Corner k is bit k of a pattern's code."""

_UNITS = 8
"""A cross product in half edge lengths is this many times the triangle's area in edge lengths."""


def element_areas_mm2(spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Area of the surface inside the cube for every code, in mm2.

    Args:
        spacing_mm: distance of voxel centres along the three axes.

    Returns:
        256 areas; 0 for the codes 0 (all outside) and 255 (all inside) only.
    """
    codes, normals = _triangles()
    x, y, z = spacing_mm
    # The normal of a triangle scales along each axis with the product of the two other spacings.
    areas = np.linalg.norm(normals * (y * z, x * z, x * y), axis=1)
    return np.bincount(codes, weights=areas, minlength=256).astype(np.float64)


@cache
def _triangles() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every triangle of every code: the code, and the normal whose length is the area on a unit grid."""
    codes: list[int] = []
    normals: list[Point] = []
    for code in range(1, 255):
        inside = [corner for bit, corner in enumerate(CORNERS) if code >> bit & 1]
        side = inside if len(inside) <= 4 else [corner for corner in CORNERS if corner not in inside]
        for polygon in _polygons(frozenset(side)):
            for normal in _greatest_triangulation(polygon)[1]:
                codes.append(code)
                normals.append(normal)
    return np.array(codes), np.array(normals) / _UNITS


def _polygons(side: frozenset[Point]) -> Iterator[list[Point]]:
    """Closed polygons around the corners of one side."""
    joined: dict[Point, list[Point]] = {}
    for face in _faces():
        for first, last in _cuts(face, side):
            joined.setdefault(first, []).append(last)
            joined.setdefault(last, []).append(first)
    # An edge of the cube lies in two faces, so every crossing has two neighbours and the walk closes.
    while joined:
        polygon = [next(iter(joined))]
        while onward := [point for point in joined.pop(polygon[-1]) if point in joined]:
            polygon.append(onward[0])
        yield polygon


def _faces() -> Iterator[list[Point]]:
    """The six faces, each as its four corners in the order in which one walks around it."""
    around = ((0, 0), (0, 2), (2, 2), (2, 0))
    for level in (0, 2):
        yield [(level, first, second) for first, second in around]
        yield [(first, level, second) for first, second in around]
        yield [(first, second, level) for first, second in around]


def _cuts(face: Sequence[Point], side: frozenset[Point]) -> Iterator[tuple[Point, Point]]:
    """Where each run of neighbouring corners of the side is cut from the rest of the face: two edge middles."""
    within = [corner in side for corner in face]
    for start in range(4):
        if within[start] and not within[start - 1]:
            length = next(steps for steps in range(1, 4) if not within[(start + steps) % 4])
            end = start + length
            yield _middle(face[start - 1], face[start]), _middle(face[(end - 1) % 4], face[end % 4])


def _middle(first: Point, second: Point) -> Point:
    x, y, z = ((one + other) // 2 for one, other in zip(first, second, strict=True))
    return x, y, z


def _greatest_triangulation(polygon: Sequence[Point]) -> tuple[float, list[Point]]:
    """The greatest of all ways to cut a polygon into triangles: its area and normals, as cross products."""
    if len(polygon) < 3:
        return 0.0, []
    best = (-1.0, list[Point]())
    # Some triangle stands on the side from the last point to the first; try every tip it may have.
    for tip in range(1, len(polygon) - 1):
        normal = _cross_product(polygon[0], polygon[tip], polygon[-1])
        area_before, before = _greatest_triangulation(polygon[: tip + 1])
        area_after, after = _greatest_triangulation(polygon[tip:])
        area = hypot(*normal) + area_before + area_after
        if area > best[0]:
            best = area, [normal, *before, *after]
    return best


def _cross_product(first: Point, second: Point, third: Point) -> Point:
    """Normal of a triangle, twice as long as its area is large."""
    a, b, c = (end - start for start, end in zip(first, second, strict=True))
    d, e, f = (end - start for start, end in zip(first, third, strict=True))
    return b * f - c * e, c * d - a * f, a * e - b * d
