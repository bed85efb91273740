"""What a prediction's files say of the regions that it looked at.

Beside a mask that was made inside a region lies a JSON file of the same name, so that nobody who
passes on the mask alone loses the flag of an oracle. The folder's ``prediction.json`` and every
row of its tables carry it too.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurograft.errors import InputError
from neurograft.imaging.cropping import Box
from neurograft.inference.regions import Region
from neurograft.outputs import write_json
from neurograft.recipes.schema import InferenceConfig

ORACLE_WORDS = (
    "oracle crop: each image was cut around its true structure, which no new scan offers; "
    "these scores are not comparable with those of the whole image"
)
"""What every report says beside scores of masks made with an oracle."""


def region_path(mask: Path) -> Path:
    """The file that goes with a mask, ``<name>_dseg.json``."""
    return mask.with_name(f"{mask.name.removesuffix('.nii.gz')}.json")


def write_region(mask: Path, region: Region) -> None:
    """Write what region a mask was made in; boxes count voxels of the prepared image."""
    box = None if region.box is None else {"start": list(region.box.start), "stop": list(region.box.stop)}
    write_json(
        region_path(mask),
        {
            "region": region.words,
            "oracle": region.is_oracle,
            "asked": region.kind,
            "fallback": region.fallback,
            "reason": region.reason,
            "box": box,
        },
    )


def read_region(mask: Path) -> Region:
    """The region that a mask was made in, as `write_region` wrote it.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = region_path(mask)
    try:
        tree = json.loads(path.read_text("utf-8"))
        box = tree["box"]
        if box is not None:
            box = Box(tuple(box["start"]), tuple(box["stop"]))
        return Region(tree["asked"], box, tree["fallback"], tree["reason"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot be read as a region ({error})", "Predict anew with --overwrite", path) from error


def region_columns(region: Region) -> dict[str, str]:
    """The columns that every row of a prediction's tables carries."""
    return {"region": region.words, "oracle": "yes" if region.is_oracle else "no"}


def region_summary(
    config: InferenceConfig, regions: Sequence[Region], locator: dict[str, str] | None
) -> dict[str, Any]:
    """The entry ``region`` of ``prediction.json``.

    Args:
        config: the first model's.
        regions: one a case.
        locator: name and weights' hash of a separate locator.
    """
    words = [region.words for region in regions]
    return {
        "asked": config.region,
        "oracle": any(region.is_oracle for region in regions),
        "size": None if config.region in ("whole", "prior") else list(config.region_size),
        "locator": locator,
        "cases": {name: words.count(name) for name in dict.fromkeys(words)},
    }


def region_facts(folder: Path) -> dict[str, str]:
    """Facts for a report on a prediction's folder: nothing for whole images, a warning for an oracle.

    Args:
        folder: of a prediction, or any other folder, or a file: these have no facts.

    Example:
        >>> region_facts(Path("label-maps-drawn-by-hand"))
        {}
    """
    try:
        region = json.loads((folder / "prediction.json").read_text("utf-8"))["region"]
        asked, oracle, counts = region["asked"], region["oracle"], region["cases"]
    except (OSError, ValueError, KeyError, TypeError):
        # No prediction of ours, or one that is older than regions are.
        return {}
    if oracle:
        return {"Region": ORACLE_WORDS}
    if asked == "whole":
        return {}
    if asked == "prior":
        return {"Region": "near the labels of each case's prior"}
    told = ", ".join(f"{count} x {name}" for name, count in counts.items())
    return {"Region": f"{asked} by a coarse pass ({told})"}


def oracle_masks(folder: Path) -> frozenset[str]:
    """Masks of a prediction's folder that an oracle helped to make, as paths relative to it."""
    found = set()
    for path in folder.rglob("*_dseg.json"):
        try:
            is_oracle = json.loads(path.read_text("utf-8"))["oracle"] is True
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_oracle:
            found.add(path.relative_to(folder).with_suffix(".nii.gz").as_posix())
    return frozenset(found)
