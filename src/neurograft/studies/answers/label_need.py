"""The question of every annotator: how many more scans?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from neurograft.errors import InputError
from neurograft.evaluation.measures import MEASURES
from neurograft.scoring.score_rows import MEAN
from neurograft.studies.answers.label_curve import FEWEST_SIZES, CurveFit, fit_curve, icc_statistic
from neurograft.studies.answers.statement import measure_words
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol.schema import ICC, UNADAPTED, TargetConfig
from neurograft.studies.tables import NO_LABELS, gather_paired, gather_scores, headline_label


@dataclass(frozen=True)
class LabelNeed:
    """How many labelled people a method needs for a target; infinite where none was found.

    Attributes:
        experiment: of the study.
        method: likewise.
        measure: of the target.
        label: structure.
        target: what is to be reached.
        people: by the fitted curve.
        low: lower end of the interval.
        high: upper end.
        level: of the interval.
        have: people labelled already; ``None`` where that was not said.
        minutes_per_scan: of annotation.
        largest: most people that were measured.
        draws: draws of training people behind the curve.
        reason: why nothing can be told; empty where something can.
    """

    experiment: str
    method: str
    measure: str
    label: str
    target: float
    people: float = float("inf")
    low: float = float("inf")
    high: float = float("inf")
    level: float = 0.95
    have: int | None = None
    minutes_per_scan: float | None = None
    largest: int = 0
    draws: int = 0
    reason: str = ""

    @property
    def is_identified(self) -> bool:
        """Whether the curve and its interval both end within sight."""
        return not self.reason and bool(np.isfinite(self.people) and np.isfinite(self.high))

    def sentence(self) -> str:
        """The answer in words."""
        what = f"{_words(self.measure)} of {self.target:g}" + (f" ({self.label})" if self.label else "")
        start = f"{self.experiment}, {self.method}: "
        if self.reason:
            return f"{start}for a {what}, cannot be told from these data: {self.reason}."
        if not np.isfinite(self.low):
            return (
                f"{start}a {what} is out of sight of the {self.largest} people measured: no curve that fits these data "
                f"reaches it ({self.level:.0%} interval)."
            )
        if not self.is_identified:
            return (
                f"{start}for a {what}, cannot be told from these data: the {self.level:.0%} interval begins at "
                f"{_count(self.low)} people and has no end within sight of the {self.largest} people measured."
            )
        total = f"{_count(self.people)} people ({_count(self.low)} to {_count(self.high)})"
        text = f"{start}{total} for a {what}"
        if self.have is not None:
            more = [_more(value, self.have) for value in (self.people, self.low, self.high)]
            text = f"{start}{more[0]} more ({more[1]} to {more[2]}) than the {self.have} labelled, for a {what}"
            if self.minutes_per_scan is not None:
                minutes = [value * self.minutes_per_scan for value in more]
                text += f": {minutes[0]:.0f} minutes of annotation ({minutes[1]:.0f} to {minutes[2]:.0f})"
        elif self.minutes_per_scan is not None:
            minutes = [int(_count(value)) * self.minutes_per_scan for value in (self.people, self.low, self.high)]
            text += f": {minutes[0]:.0f} minutes of annotation ({minutes[1]:.0f} to {minutes[2]:.0f})"
        if self.people > self.largest:
            text += f"; this lies beyond the {self.largest} people measured"
        if self.draws == 1:
            text += "; the interval is of this one draw of people to learn from, and does not cover another"
        return f"{text} ({self.level:.0%} interval)."

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; what is infinite becomes ``None``."""
        plain = {
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(self).items()
        }
        return {**plain, "sentence": self.sentence()}


@dataclass(frozen=True, eq=False)
class MethodCurve:
    """The learning curve of a method, fitted where there are sizes enough."""

    experiment: str
    method: str
    label: str
    sizes: tuple[int, ...]
    means: tuple[float, ...]
    fit: CurveFit | None
    reason: str


def needs_of_study(
    folder: StudyFolder,
    target: float,
    measure: str = "dice",
    label: str | None = None,
    methods: Sequence[str] = (),
    have: int | None = None,
    minutes_per_scan: float | None = None,
) -> list[LabelNeed]:
    """Answer for each experiment and method of a study.

    Args:
        folder: of the study.
        target: what is to be reached.
        measure: a measure that was scored, or ``icc:QUANTITY``.
        label: structure; the mean over labels, or the only one, by default.
        methods: to ask about; all by default.
        have: people labelled already.
        minutes_per_scan: of annotation.

    Raises:
        InputError: nothing is scored yet, or a measure, label or method that was not.
    """
    table = gather_paired(folder) if measure.startswith(ICC) else gather_scores(folder)
    curves = method_curves(table, measure, label, methods, folder)
    return [need_of(curve, measure, target, have, minutes_per_scan) for curve in curves]


def need_of(
    curve: MethodCurve, measure: str, target: float, have: int | None = None, minutes_per_scan: float | None = None
) -> LabelNeed:
    """The people that one curve needs for a target."""
    need = LabelNeed(
        curve.experiment,
        curve.method,
        measure,
        curve.label,
        target,
        have=have,
        minutes_per_scan=minutes_per_scan,
        largest=max(curve.sizes, default=0),
        reason=curve.reason,
    )
    if curve.fit is None:
        return need
    people, low, high = curve.fit.need(target)
    return replace(need, people=people, low=low, high=high, level=curve.fit.level, draws=curve.fit.draws)


def needs_for(target: TargetConfig, table: pd.DataFrame) -> list[LabelNeed]:
    """The people that each method of a study needs for its protocol's target.

    Args:
        target: of the protocol.
        table: of scores, or of paired quantities where the target is an ICC.

    Returns:
        One for each curve; where the study has not measured what the target is about, one that says so.
    """
    try:
        curves = method_curves(table, target.measure, target.label)
    except InputError as error:
        return [
            LabelNeed(
                "every experiment",
                "every method",
                target.measure,
                target.label or "",
                target.value,
                minutes_per_scan=target.minutes_per_scan,
                reason=error.problem,
            )
        ]
    return [need_of(one, target.measure, target.value, minutes_per_scan=target.minutes_per_scan) for one in curves]


def method_curves(
    table: pd.DataFrame,
    measure: str,
    label: str | None = None,
    methods: Sequence[str] = (),
    folder: StudyFolder | None = None,
) -> list[MethodCurve]:
    """Fit the curve of every experiment and method.

    Args:
        table: of scores, or of paired quantities for ``icc:QUANTITY``.
        measure: column of the scores, or ``icc:QUANTITY``.
        label: structure.
        methods: to take; all by default.
        folder: for messages.

    Raises:
        InputError: a measure, label or method that the study does not have.
    """
    root = None if folder is None else folder.root
    if table.empty:
        raise InputError(f"no {_words(measure)} is scored yet", "Run the study first", root)
    rows = table[(table["split"] == "test") & (table["size"] != NO_LABELS) & (table["strategy"] != UNADAPTED)]
    quantity = measure.removeprefix(ICC)
    if measure.startswith(ICC):
        known = list(dict.fromkeys(rows["quantity"]))
        if quantity not in known:
            raise InputError(f"no quantity {quantity!r} was measured", f"Quantities: {', '.join(known)}", root)
        rows = rows[rows["quantity"] == quantity]
    elif measure not in rows or measure not in MEASURES:
        known = [name for name in MEASURES if name in rows]
        raise InputError(f"no measure {measure!r} was scored", f"Measures: {', '.join(known)}", root)
    for column, wanted in (("label", [label] if label is not None else []), ("method", list(methods))):
        unknown = [name for name in wanted if name not in set(rows[column])]
        if unknown:
            known = list(dict.fromkeys(map(str, rows[column])))
            raise InputError(f"the study has no {column} {unknown[0]!r}", f"There are: {', '.join(known)}", root)
    curves = []
    for (experiment, method), group in rows.groupby(["experiment", "method"], sort=False):
        if methods and method not in methods:
            continue
        own = label if label is not None else headline_label(group)
        curves.append(_curve(str(experiment), str(method), group[group["label"] == own], measure, own))
    return curves


def _curve(experiment: str, method: str, rows: pd.DataFrame, measure: str, label: str) -> MethodCurve:
    """One method's curve, over the test people who have a value at every size and draw."""
    columns = ["reference", "prediction"] if measure.startswith(ICC) else [measure]
    shown = "" if label == MEAN else label
    # A size may be of one person more in one test set than in another, as "all" is beside folds of unequal parts.
    people = rows.groupby("size")["people"].mean().round().astype(int)
    keyed = rows.assign(people=rows["size"].map(people))
    # Folds and seeds are trainings on one draw of people and are averaged.
    per_case = keyed.groupby(["people", "draw", "subject", "case"])[columns].mean()
    cells = per_case.groupby(["people", "draw", "subject"]).mean()
    sizes = tuple(int(size) for size in sorted(cells.index.unique("people")))
    means = tuple(float(cells.xs(size, level="people")[columns[-1]].mean()) for size in sizes)

    def without_fit(reason: str) -> MethodCurve:
        return MethodCurve(experiment, method, shown, sizes, means, None, reason)

    if len(sizes) < FEWEST_SIZES:
        return without_fit(f"a curve needs {FEWEST_SIZES} numbers of people, and there are {len(sizes)}")
    wide = cells[columns].unstack(["people", "draw"])
    draws = [
        draw for draw in cells.index.unique("draw") if all((columns[0], size, draw) in wide.columns for size in sizes)
    ]
    if not draws:
        return without_fit("no draw of people to learn from has all sizes")
    order = [(column, size, draw) for size in sizes for draw in draws for column in columns]
    complete = wide[order].dropna()
    if len(complete) < 2:
        return without_fit("fewer than two test people have a value at every size")
    values = complete.to_numpy(float).reshape(len(complete), len(sizes), len(draws), len(columns)).transpose(1, 2, 0, 3)
    rising = measure.startswith(ICC) or MEASURES[measure].better == "higher"
    statistic = icc_statistic if measure.startswith(ICC) else None
    try:
        fit = fit_curve(sizes, values, rising, 1.0 if rising else 0.0, statistic)
    except ValueError as error:
        return without_fit(str(error))
    return MethodCurve(experiment, method, shown, sizes, tuple(map(float, fit.means)), fit, "")


def _words(measure: str) -> str:
    return f"ICC of the {measure.removeprefix(ICC)}" if measure.startswith(ICC) else measure_words(measure)


def _count(people: float) -> str:
    """People are whole; a part of one is one."""
    return f"{max(1, int(np.ceil(people - 1e-9)))}"


def _more(people: float, have: int) -> int:
    return max(0, int(_count(people)) - have)
