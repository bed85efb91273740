"""``trust.tsv``: a row a scan, what speaks against its mask, and the certainty behind it."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.cohorts import Case
from neurograft.imaging.grid import Grid
from neurograft.inference.evidence import Evidence
from neurograft.inference.trust import Sign, signs
from neurograft.models import Bundle
from neurograft.outputs import write_table

logger = logging.getLogger(__name__)

COLUMNS = ("case", "subject", "session", "trust", "signs", "certainty", "least_certain", "kinds", "reasons")
LOOK, FINE = "look at it", "no sign against it"


@dataclass(frozen=True, eq=False)
class TrustTable:
    """Signs against the masks of a prediction, which one that was cut off goes on with.

    Args:
        file: the table.
        bundle: the first model, which decides; its labels and training volumes count.
    """

    file: Path
    bundle: Bundle

    def knows(self, case: Case) -> bool:
        """Whether a case has its row."""
        return case.id in set(_rows(self.file)["case"])

    def add(self, case: Case, values: NDArray[np.integer], grid: Grid, evidence: Evidence | None) -> list[Sign]:
        """Look for signs against a case's mask, write its row and say what there is to look at."""
        found = signs(values, grid, self.bundle.labels, self.bundle.info.volumes, evidence)
        names = self.bundle.labels.names
        certain = (
            []
            if evidence is None
            else [(value, name) for value, name in zip(evidence.certainty, names, strict=True) if not math.isnan(value)]
        )
        row = {
            "case": case.id,
            "subject": case.subject,
            "session": case.session,
            "trust": LOOK if found else FINE,
            "signs": len(found),
            "certainty": round(sum(value for value, _ in certain) / len(certain), 4) if certain else math.nan,
            "least_certain": min(certain)[1] if certain else "",
            "kinds": ", ".join(dict.fromkeys(sign.kind for sign in found)),
            "reasons": "; ".join(sign.words for sign in found),
        }
        before = _rows(self.file)
        others = before[before["case"] != case.id].to_dict("records")
        write_table(self.file, pd.DataFrame([*others, row], columns=COLUMNS))
        if found:
            logger.warning("%s: look at this mask: %s", case.id, _shortened([sign.words for sign in found]))
        return found


def _shortened(words: Sequence[str]) -> str:
    more = len(words) - 3
    return "; ".join(words[:3]) + (f"; and {more} more" if more > 0 else "")


def suspect_cases(folder: Path) -> list[str]:
    """Cases of a prediction's folder against whose masks there are signs."""
    rows = _rows(folder / "trust.tsv")
    return [str(case) for case in rows.loc[rows["trust"] == LOOK, "case"]]


def _rows(file: Path) -> pd.DataFrame:
    if not file.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.read_csv(file, sep="\t", dtype={"case": str, "subject": str, "session": str})
