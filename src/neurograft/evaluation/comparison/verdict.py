"""One plain sentence for a comparison of two methods.

"Better" and "worse" are said only when all of this holds: the interval of the difference over subjects
leaves out zero, the corrected p is below one minus the interval's level, every seed shows the sign of
the whole, and the interval over subjects and trainings, where trainings were repeated, leaves out zero
too. Otherwise the sentence says that no difference was shown, and how small a one could have been, or
which of these conditions fails.
"""

from dataclasses import dataclass
from math import ceil, floor, isfinite, isnan, log10

from neurograft.evaluation.comparison.corrections import CORRECTION_WORDS, Correction
from neurograft.evaluation.comparison.tests import smallest_sign_flip_p

_MOST_DECIMALS = 12


@dataclass(frozen=True)
class Finding:
    """What a verdict rests on; differences are first minus second, NaN where undefined."""

    measure: str
    label: str
    """Structure, or "" where there is but one."""
    first: str
    second: str
    higher_is_better: bool | None
    """``None`` for a measure that is neither, such as a volume."""
    n_subjects: int
    difference: float
    low: float
    """Of the interval over subjects, as is `high`."""
    high: float
    p: float
    """Corrected p of the sign-flip test."""
    correction: Correction = "none"
    family_size: int = 1
    level: float = 0.95
    smallest_detectable: float = float("nan")
    seeds: int = 0
    """Seeds that both methods have."""
    seeds_agreeing: int = 0
    """Of these, those whose difference has the sign of the whole."""
    training_low: float = float("nan")
    """Of the interval over subjects and trainings, as is `training_high`."""
    training_high: float = float("nan")
    left_out: str = ""
    """What did not enter the comparison, in words."""

    @property
    def alpha(self) -> float:
        """What p must be below; rounded, for 1 - 0.95 is more than 0.05."""
        return round(1 - self.level, 12)

    @property
    def holds_zero(self) -> bool:
        """Whether the interval over subjects holds zero, or does not exist."""
        return not (self.low > 0 or self.high < 0)


def verdict(finding: Finding) -> str:
    """Say in one sentence what a comparison shows.

    Returns:
        A sentence that names the subjects, the interval, the test with its correction, and, where no
        difference is shown, the smallest one that this many subjects could have shown.
    """
    what = f"{finding.measure} of {finding.label}" if finding.label else finding.measure
    first, second = finding.first, finding.second
    left_out = f"; {finding.left_out}" if finding.left_out else ""
    if finding.n_subjects < 2 or not isfinite(finding.difference):
        return f"{what}: nothing can be said of {first} and {second} from {_count(finding.n_subjects)}{left_out}."
    facts = _facts(finding)
    if finding.difference == finding.low == finding.high == 0:
        return f"{what}: {first} and {second} are the same in every subject ({_count(finding.n_subjects)}){left_out}."
    significant = finding.p < finding.alpha
    if finding.holds_zero and not significant:
        return f"{what}: no difference shown between {first} and {second} ({facts}); {_reach(finding)}{left_out}."
    doubt = _doubt(finding, significant)
    if doubt:
        return f"{what}: not settled between {first} and {second} ({facts}): {doubt}{left_out}."
    return f"{what}: {first} is {_direction(finding)} than {second} ({facts}){left_out}."


def _direction(finding: Finding) -> str:
    above = finding.low > 0
    if finding.higher_is_better is None:
        return "higher" if above else "lower"
    return "better" if above == finding.higher_is_better else "worse"


def _doubt(finding: Finding, significant: bool) -> str:
    """Why a difference that shows somewhere is not settled; empty when nothing speaks against it."""
    alpha = _plain(finding.alpha)
    if finding.holds_zero:
        return f"p is below {alpha}, but the interval holds zero"
    if isnan(finding.p):
        return "the interval leaves out zero, but there is no test"
    if not significant:
        small = f", and {_count(finding.n_subjects)} cannot bring it there" if _cannot_show(finding) else ""
        return f"the interval leaves out zero, but p is not below {alpha}{small}"
    if finding.seeds_agreeing < finding.seeds:
        return f"the sign holds in {finding.seeds_agreeing} of {finding.seeds} seeds"
    if finding.training_low <= 0 <= finding.training_high:
        low, high = _numbers(finding, finding.training_low, finding.training_high)
        return f"with other trainings in the reckoning the interval is {low} to {high} and holds zero"
    return ""


def _reach(finding: Finding) -> str:
    """How small a difference this comparison could have shown."""
    subjects = _count(finding.n_subjects)
    if _cannot_show(finding):
        family = f" among {finding.family_size} comparisons" if finding.family_size > 1 else ""
        return f"{subjects} are too few for this test to show any difference{family}"
    if not isfinite(finding.smallest_detectable):
        return f"what {subjects} could have shown is not known, for their differences do not vary"
    size = f"{finding.smallest_detectable:.{_decimals(finding)}f}"
    return f"the smallest difference that {subjects} could have shown is {size} (power 0.8)"


def _cannot_show(finding: Finding) -> bool:
    """Whether no set of differences of this many subjects would pass the corrected sign-flip test.

    Bonferroni and Holm ask the smallest p of a family to pass alpha by the family's size; the others
    ask all of them, should they be alike, to pass alpha itself.
    """
    share = finding.family_size if finding.correction in ("bonferroni", "holm") else 1
    return smallest_sign_flip_p(finding.n_subjects) * max(share, 1) >= finding.alpha


def _facts(finding: Finding) -> str:
    difference, low, high = _numbers(finding, finding.difference, finding.low, finding.high)
    test = f"sign-flip p {_p(finding.p)}, {CORRECTION_WORDS[finding.correction]}"
    if finding.correction != "none":
        test += f" over {finding.family_size} comparisons" if finding.family_size > 1 else " over this one comparison"
    seeds = f"; same sign in {finding.seeds_agreeing} of {finding.seeds} seeds" if finding.seeds > 1 else ""
    interval = f"{_plain(100 * finding.level)} % interval {low} to {high}"
    if isnan(finding.low):
        interval = "no interval"
    return f"difference {difference}, {interval}, {_count(finding.n_subjects)}; {test}{seeds}"


def _numbers(finding: Finding, *values: float) -> tuple[str, ...]:
    decimals = _decimals(finding)
    return tuple(f"{value:+.{decimals}f}" for value in values)


def _decimals(finding: Finding) -> int:
    """Two digits of the interval's width; more where an end beside zero would print as zero."""
    width = finding.high - finding.low
    scale = width if isfinite(width) and width > 0 else abs(finding.difference)
    decimals = 3 if scale == 0 or not isfinite(scale) else min(max(1 - floor(log10(scale)), 0), _MOST_DECIMALS)
    ends = [abs(end) for end in (finding.low, finding.high) if isfinite(end) and end != 0]
    if ends and 0.5 * 10.0**-decimals >= min(ends):
        decimals = min(max(decimals, ceil(-log10(min(ends)))), _MOST_DECIMALS)
    return decimals


def _p(p: float) -> str:
    if isnan(p):
        return "undefined"
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}" if p < 0.01 or p > 0.06 else f"= {p:.4f}"


def _plain(value: float) -> str:
    return f"{round(value, 6):g}"


def _count(subjects: int) -> str:
    return "no subject" if subjects == 0 else f"{subjects} subject{'' if subjects == 1 else 's'}"
