"""Volumes for the page's three-plane viewer: cropped to the structure, in bytes, as text."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.reports.comparison import SliceExample
from neurograft.reports.number_text import decimal
from neurograft.reports.slice_planes import box_of, view_of

MOST_VOXELS = 900_000
"""Of a case in a page; a larger box is shown with every second voxel, and so on."""
MOST_CLASSES = 15
"""That fit beside each other into one byte of truth and prediction."""


@dataclass(frozen=True)
class ViewerCase:
    """A case that the viewer shows.

    Attributes:
        title: above it.
        facts: below the title.
        data: what the script reads: shape, spacing, names, and the bytes of image and labels in base64.
    """

    title: str
    facts: str
    data: dict[str, Any]


def viewer_case(example: SliceExample) -> ViewerCase:
    """Cut the part of a case that the figures show, and pack it.

    Raises:
        ValueError: more classes than fit.
    """
    if len(example.label_names) > MOST_CLASSES:
        raise ValueError(f"the viewer shows {MOST_CLASSES} labels at most, got {len(example.label_names)}")
    box = box_of(view_of(example), example)
    step = 1
    while (
        np.prod([len(range(*part.indices(size))[::step]) for part, size in zip(box, example.image.shape, strict=True)])
        > MOST_VOXELS
    ):
        step += 1
    cut = tuple(slice(part.start, part.stop, step) for part in box)
    truth, prediction = (
        np.clip(volume[cut], 0, None).astype(np.uint8) for volume in (example.truth, example.prediction)
    )
    packed = truth | (prediction << 4)
    return ViewerCase(
        title=example.title,
        facts=f"case {example.case} · {example.strategy} · Dice {decimal(example.dice)}"
        + (f" · every {step}th voxel" if step > 1 else ""),
        data={
            "shape": list(packed.shape),
            "spacing": [round(side * step, 4) for side in example.spacing_mm],
            "names": list(example.label_names),
            "image": _text(_grey(example.image[cut])),
            "labels": _text(packed),
        },
    )


def _grey(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Image as bytes, between its 1st and 99th percentile."""
    finite = np.nan_to_num(image.astype(np.float32))
    low, high = np.percentile(finite, (1, 99))
    scaled = (finite - low) / max(float(high - low), 1e-6)
    return np.asarray(np.clip(np.rint(255 * scaled), 0, 255), np.uint8)


def _text(volume: NDArray[np.uint8]) -> str:
    return b64encode(np.ascontiguousarray(volume).tobytes()).decode("ascii")
