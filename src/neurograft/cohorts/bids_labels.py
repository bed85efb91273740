"""Which label map belongs to an image of a BIDS dataset, and what its values are called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurograft.cohorts.bids_filters import ENTITIES, BidsFilters, same_value
from neurograft.cohorts.label_names import gather_labels
from neurograft.errors import InputError
from neurograft.imaging.files import stem
from neurograft.imaging.labels import LabelTable

_OF_THE_LABEL_ALONE = frozenset({"desc", "space", "atlas", "segmentation", "label", "hemi"})
"""Entities that say how a label map was made; the others must agree with the image's where both have them."""


def match_label(image: Any, labels: Sequence[Any], chosen: BidsFilters, folder: Path) -> Path | None:
    """The label map of an image: same subject and session, same space, no entity in contradiction.

    Args:
        image: pybids file.
        labels: pybids files to choose from.
        chosen: the user's filters.
        folder: the dataset, for the message.

    Raises:
        InputError: several label maps remain.
    """
    entities = image.get_entities()
    candidates = [label for label in labels if _belongs(label.get_entities(), entities, chosen)]
    if len(candidates) > 1:
        names = sorted(str(Path(label.path).relative_to(folder.absolute())) for label in candidates)
        raise InputError(
            f"{image.filename} has {len(names)} label maps: {', '.join(names[:8])}",
            "Choose one by a filter such as label_desc, label_suffix, label_space or label_pipeline",
            folder,
        )
    return Path(candidates[0].path) if candidates else None


def _belongs(label: dict[str, Any], image: dict[str, Any], chosen: BidsFilters) -> bool:
    for entity in ("subject", "session"):
        if not _same_text(label.get(entity), image.get(entity)):
            return False
    if "space" not in chosen.label and not _same_space(label.get("space"), image):
        return False
    shared = (set(ENTITIES.values()) & label.keys() & image.keys()) - _OF_THE_LABEL_ALONE
    return all(same_value(label[entity], image[entity]) for entity in shared)


def _same_space(label_space: Any, image: dict[str, Any]) -> bool:
    """An image without a space lies in its own, which a label may call ``orig`` or by the image's suffix."""
    if "space" in image:
        return bool(label_space == image["space"])
    return label_space in (None, "orig", image["suffix"])


def _same_text(a: Any, b: Any) -> bool:
    """Whether two identifiers are the same; unlike run numbers, ``01`` and ``1`` are two subjects."""
    return (None if a is None else str(a)) == (None if b is None else str(b))


def label_names(label_maps: Sequence[Path], folder: Path) -> LabelTable:
    """The label table of a dataset, from the first label map's neighbours or from the values found.

    Looked for, in this order: a TSV of the label map's own name; then, from the label map's
    folder up to the dataset's, ``dseg.tsv`` or another ``*dseg.tsv`` that belongs to no subject.
    """
    if not label_maps:
        return LabelTable.from_names({})
    first = label_maps[0]
    own = first.with_name(f"{stem(first)}.tsv")
    if own.is_file():
        return LabelTable.from_tsv(own)
    for parent in first.absolute().parents:
        tables = sorted(table for table in parent.glob("*dseg.tsv") if not table.name.startswith("sub-"))
        exact = [table for table in tables if table.name == "dseg.tsv"]
        if exact or len(tables) == 1:
            return LabelTable.from_tsv((exact or tables)[0])
        if tables:
            raise InputError(
                f"several tables may name the labels: {', '.join(table.name for table in tables)}",
                "Keep one, or call one dseg.tsv",
                parent,
            )
        if parent == folder.absolute():
            break
    return gather_labels(label_maps)
