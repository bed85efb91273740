"""Recipe section ``preparation.standard``: the intensity scale that ``nyul`` and ``histogram`` bring scans to."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from neurograft.errors import InputError
from neurograft.recipes.schema.base import Range, Section


class StandardConfig(Section):
    """An intensity scale: which percentiles count, and where each of them shall lie."""

    method: Literal["nyul", "histogram"] | None = None
    """What the landmarks were measured for; filled in with them."""
    percentiles: tuple[float, ...] | None = None
    """Landmarks; ``None`` is 1, 10, 20, ... 90, 99 for ``nyul`` (Shah et al. 2011), and 0, 0.5, ... 100 for
    ``histogram``."""
    range: Range = (1.0, 100.0)
    """Where each scan's first and last landmark are put before scans are averaged. Above 0, so that no
    voxel of the foreground comes to lie on the background."""
    foreground: Literal["nonzero", "above_mean"] = "nonzero"
    """Voxels that give the landmarks: all but zeros, for scans without skull; or those above the scan's
    mean, for scans with air around the head. Voxels of zero stay zero either way."""
    then: Literal["zscore_nonzero", "none"] = "zscore_nonzero"
    """What follows: P5 takes z-scores of every scan, standardised or not."""
    landmarks: tuple[tuple[float, ...], ...] | None = None
    """The scale itself, a row a channel. Training measures it on the training subjects where it is
    missing, and stores it in the bundle."""

    @model_validator(mode="after")
    def _landmarks_rise(self) -> "StandardConfig":
        percentiles = self.percentiles
        if percentiles is not None:
            rising = all(a < b for a, b in pairwise(percentiles))
            if len(percentiles) < 2 or not rising or percentiles[0] < 0 or percentiles[-1] > 100:
                raise ValueError("percentiles must be two or more that rise within 0 to 100")
        if self.range[0] == self.range[1]:
            raise ValueError("range must have two ends")
        for row in self.landmarks or ():
            if percentiles is None or len(row) != len(percentiles):
                raise ValueError("landmarks must have a number for each of the percentiles, which are given with them")
            if any(a > b for a, b in pairwise(row)) or row[0] == row[-1]:
                raise ValueError("landmarks must rise")
        return self


def _from_file(value: Any) -> Any:
    """The content of a standard's JSON file where its path was given."""
    if not isinstance(value, str):
        return value
    path = Path(value)
    mend = "Give a file that neurograft standardise fit wrote"
    try:
        tree = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}", mend) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a standard ({error})", mend) from error
    if not isinstance(tree, dict):
        raise InputError(f"{path} holds no standard", mend)
    return tree


Standard = Annotated[StandardConfig, BeforeValidator(_from_file)]
"""A standard, or the path of a file with one; a path is read once and the recipe holds its numbers."""
