"""A picture of a scan with its mask on it: nine slices through the labels, and the labels' names."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.orientation import reorient
from neurograft.imaging.volume import Volume
from neurograft.outputs import atomic_file

PANEL_PIXELS = 220
"""Side of a slice's square."""
LINE_PIXELS = 14
FILL = 0.35
"""Opacity of a label's colour inside its outline."""
_SHARES = (0.25, 0.5, 0.75)
"""Where slices lie between the first and the last that show a label."""
_LEGEND_COLUMN_PIXELS = 165

Pixels = NDArray[np.uint8]


def write_overlay(path: Path, scan: Volume, values: NDArray[np.integer], labels: LabelTable, title: str) -> None:
    """Write a PNG: three slices of each plane, in radiological convention, each label filled and outlined.

    Slices are spread over what bears a label, or over the whole scan where nothing does.

    Args:
        path: ends in ``.png``.
        scan: the first channel, on its own grid.
        values: label values on that grid.
        labels: their table.
        title: above the slices.
    """
    image, grid = reorient(np.asarray(scan.data, np.float32), scan.grid, "RAS")
    classes, _ = reorient(labels.to_classes(values), scan.grid, "RAS")
    picture = _grey(image)
    colours = label_colours(len(labels))
    panels = [[_panel(picture, classes, grid, axis, share, colours) for share in _SHARES] for axis in (2, 1, 0)]
    body = np.concatenate([np.concatenate(row, axis=1) for row in panels], axis=0)
    present = [place for place in range(len(labels)) if (classes == place + 1).any()]
    columns = max(body.shape[1] // _LEGEND_COLUMN_PIXELS, 1)
    lines = -(-len(present) // columns)
    canvas = Image.new("RGB", (body.shape[1], body.shape[0] + (lines + 2) * LINE_PIXELS + 8))
    canvas.paste(Image.fromarray(body), (0, LINE_PIXELS + 4))
    draw = ImageDraw.Draw(canvas)
    draw.text((4, 1), _plain(f"{title}   (left of the picture is right)"), fill=(255, 255, 255))
    for number, place in enumerate(present):
        left = 4 + (number % columns) * _LEGEND_COLUMN_PIXELS
        top = body.shape[0] + LINE_PIXELS + 8 + (number // columns) * LINE_PIXELS
        draw.rectangle((left, top + 2, left + 9, top + 11), fill=tuple(colours[place].tolist()))
        draw.text((left + 14, top), _plain(labels.names[place])[:24], fill=(220, 220, 220))
    if not present:
        draw.text((4, body.shape[0] + LINE_PIXELS + 8), "no label was found", fill=(255, 140, 140))
    with atomic_file(path) as temporary:
        canvas.save(temporary, format="PNG")


def label_colours(count: int) -> NDArray[np.uint8]:
    """Bright colours, (count, 3), neighbours far apart in hue."""
    hues = np.arange(count) * 0.61803398875 % 1.0
    distance = np.abs((hues[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return (255 * (0.25 + 0.75 * distance.clip(0, 1))).astype(np.uint8)


def _grey(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intensities from 0 to 1, dark and bright ends clipped."""
    coarse = image[::2, ::2, ::2]
    inside = coarse[coarse != image.flat[0]]
    low, high = np.percentile(inside if inside.size else coarse, (0.5, 99.5))
    low = min(float(low), float(image.flat[0]))
    return np.asarray(((image - low) / max(float(high) - low, 1e-6)).clip(0, 1), np.float32)


def _panel(
    picture: NDArray[np.float32],
    classes: NDArray[np.int16],
    grid: Grid,
    axis: int,
    share: float,
    colours: NDArray[np.uint8],
) -> Pixels:
    """A square with one slice, resized so that millimetres are alike along both sides."""
    shown = np.flatnonzero((classes > 0).any(axis=tuple(other for other in range(3) if other != axis)))
    first, last = (int(shown[0]), int(shown[-1])) if shown.size else (0, classes.shape[axis] - 1)
    index = round(first + share * (last - first))
    across, up = (other for other in range(3) if other != axis)
    # Rows from top to bottom; the right of the body is on the left in axial and coronal slices.
    turned = [np.take(volume, index, axis).T[::-1] for volume in (picture, classes)]
    if across == 0:
        turned = [flat[:, ::-1] for flat in turned]
    rows, columns = turned[0].shape
    height, width = rows * grid.spacing_mm[up], columns * grid.spacing_mm[across]
    scale = PANEL_PIXELS / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    grey = Image.fromarray((255 * turned[0]).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    flat = np.asarray(Image.fromarray(turned[1].clip(0).astype(np.int32)).resize(size, Image.Resampling.NEAREST))
    pixels = np.repeat(np.asarray(grey, np.float32)[..., None], 3, axis=2)
    # An outline pixel is one whose neighbourhood holds another class.
    outline = (flat > 0) & (ndimage.minimum_filter(flat, 3) != ndimage.maximum_filter(flat, 3))
    tint = np.concatenate([np.zeros((1, 3), np.uint8), colours])[flat].astype(np.float32)
    opacity = np.where(outline, 1.0, np.where(flat > 0, FILL, 0.0))[..., None]
    square = np.zeros((PANEL_PIXELS, PANEL_PIXELS, 3), np.uint8)
    top, left = (PANEL_PIXELS - size[1]) // 2, (PANEL_PIXELS - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = pixels * (1 - opacity) + tint * opacity
    return square


def _plain(text: str) -> str:
    """What the small built-in font can write."""
    return text.encode("ascii", "replace").decode("ascii")
