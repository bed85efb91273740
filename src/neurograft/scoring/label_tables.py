"""Which values are which labels on either side."""

import json
import logging
from pathlib import Path

from neurograft.errors import InputError
from neurograft.imaging.files import is_image_file
from neurograft.imaging.labels import LabelTable

logger = logging.getLogger(__name__)


def opens_as_cohort(path: Path) -> bool:
    """Whether a path is a cohort and not a folder of label maps; BIDS derivatives are the latter."""
    if path.is_file():
        return not is_image_file(path)
    if any((path / name).is_file() for name in ("dataset.json", "cohort.tsv", "cohort.csv")):
        return True
    try:
        description = json.loads((path / "dataset_description.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("DatasetType", "raw") == "raw"


def labels_beside(path: Path) -> LabelTable | None:
    """The label table in a folder of label maps: ``labels.tsv``, or the only BIDS ``*dseg.tsv``."""
    tables = sorted(path.glob("labels.tsv")) or sorted(path.glob("*dseg.tsv"))
    return LabelTable.from_tsv(tables[0]) if len(tables) == 1 else None


def known_to_both(labels: LabelTable, written: LabelTable, prediction: Path) -> LabelTable:
    """Labels that the predictions can hold, in the order of `labels`.

    Raises:
        InputError: there is none.
    """
    names = [name for name in labels.names if name in written.names]
    if not names:
        raise InputError(
            f"reference and prediction have no label in common: {', '.join(labels.names)} against "
            f"{', '.join(written.names)}",
            "Use the same names in both label tables, or select and merge the reference's labels",
            prediction / "labels.tsv",
        )
    left_out = [name for name in labels.names if name not in names]
    if left_out:
        logger.warning("not scored, because the predictions do not have them: %s", ", ".join(left_out))
    return labels.select(names)
