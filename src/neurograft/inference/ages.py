"""Ages that models with an age head read off the windows of a scan."""

import logging
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from neurograft.cohorts import Case
from neurograft.evaluation.regression import RegressionFigures, regression_figures
from neurograft.inference.region_files import region_columns
from neurograft.inference.regions import Region
from neurograft.models import Bundle
from neurograft.networks import UnitNetwork
from neurograft.outputs import write_table

logger = logging.getLogger(__name__)

COLUMNS = ("case", "subject", "age", "windows", "sd_over_windows", "reference")
FEWEST_FOR_ERRORS = 2
"""Scans of known age from which on errors are written."""


@contextmanager
def collected_ages(network: UnitNetwork) -> Iterator[list[float]]:
    """Collect what a network's age head says of every image that goes through the network meanwhile."""
    values: list[float] = []

    def read(module: nn.Module, arguments: Any, features: Tensor) -> None:
        values.extend(network.unit_module("age")(features).detach().float().cpu().tolist())

    handle = network.unit_module("bottleneck").register_forward_hook(read)
    try:
        yield values
    finally:
        handle.remove()


@dataclass(frozen=True, eq=False)
class AgeReader:
    """Ages of scans by the models among several that have learnt one, in the covariate's unit.

    A scan's age is the mean over its windows, and over models. All windows count alike, those of a
    coarse pass included.

    Args:
        file: the table of ages, which a prediction that was cut off goes on with.
        bundles: the models.
        networks: theirs, in the same order.

    Reference:
        Richter and Fetit 2022 (P3): a volume's age is the mean over its sliding windows.
    """

    file: Path
    bundles: Sequence[Bundle]
    networks: Sequence[UnitNetwork]

    @property
    def models(self) -> list[tuple[Bundle, UnitNetwork]]:
        """Those that have learnt an age."""
        pairs = zip(self.bundles, self.networks, strict=True)
        return [(bundle, network) for bundle, network in pairs if bundle.info.age is not None and network.has_age]

    def knows(self, case: Case) -> bool:
        """Whether nothing is left to be read for a case."""
        return not self.models or case.id in set(self._rows()["case"].astype(str))

    @contextmanager
    def reading(self, case: Case) -> Iterator[None]:
        """Read a case's age while it is segmented, and write it into the table."""
        models = self.models
        with ExitStack() as stack:
            said = [stack.enter_context(collected_ages(network)) for _, network in models]
            yield
        if not models:
            return
        ages = []
        for (bundle, _), values in zip(models, said, strict=True):
            info = bundle.info.age
            if info is not None:
                ages.append([value * info.sd + info.mean for value in values])
        every = [age for its in ages for age in its]
        row = {
            "case": case.id,
            "subject": case.subject,
            "age": statistics.fmean(statistics.fmean(its) for its in ages),
            "windows": len(every),
            "sd_over_windows": statistics.stdev(every) if len(every) > 1 else float("nan"),
            "reference": _number(case.covariates.get(self._covariate, "")),
        }
        before = self._rows()
        others = before[before["case"].astype(str) != case.id].to_dict("records")
        write_table(self.file, pd.DataFrame([*others, row], columns=COLUMNS))

    def errors(self) -> RegressionFigures | None:
        """Errors of the ages read so far beside those of answering the training mean; None without known ages."""
        rows = self._rows()
        known = rows[np.isfinite(rows["reference"].astype(float))]
        if len(known) < FEWEST_FOR_ERRORS:
            return None
        info = self.models[0][0].info.age
        return regression_figures(
            known["reference"].astype(float),
            known["age"].astype(float),
            None if info is None else info.training_mean,
            known["subject"].astype(str).tolist(),
        )

    def write_regions(self, regions: Mapping[str, Region]) -> None:
        """Say in each row, as in a prediction's other tables, which part of the image the age was read from.

        Args:
            regions: by case, of all cases in the table.
        """
        rows = self._rows()[list(COLUMNS)]
        if len(rows):
            told = pd.DataFrame([region_columns(regions[case]) for case in rows["case"]])
            write_table(self.file, pd.concat([rows, told], axis=1))

    def write_errors(self, file: Path) -> None:
        """Write the errors, where there are any, and say so when the model answers about the same to everyone."""
        figures = self.errors() if self.models else None
        if figures is None:
            return
        rows = self._rows()
        oracle = {"oracle": "yes" if (rows["oracle"] == "yes").any() else "no"} if "oracle" in rows else {}
        write_table(file, pd.DataFrame([asdict(figures) | oracle]))
        logger.info(
            "%s: mean absolute error %.3g; always answering the training mean: %.3g",
            self._covariate,
            figures.mae,
            figures.baseline_mae,
        )
        if figures.collapsed:
            logger.warning("the model answers about the same %s to everyone", self._covariate)

    @property
    def _covariate(self) -> str:
        info = self.models[0][0].info.age
        return "age" if info is None else info.covariate

    def _rows(self) -> pd.DataFrame:
        if not self.file.is_file():
            return pd.DataFrame(columns=list(COLUMNS))
        return pd.read_csv(self.file, sep="\t", dtype={"case": str, "subject": str})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
