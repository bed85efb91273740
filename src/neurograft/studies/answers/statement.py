"""The answer of a study: whether transfer helped, by how much, at which label counts, by which strategy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from neurograft.evaluation.comparison.compare import compare_measures
from neurograft.studies.answers.choice import CHOSEN, Choice, choose_strategy
from neurograft.studies.protocol.schema import TWIN, UNADAPTED, ClaimConfig, Protocol
from neurograft.studies.tables import comparable, direction_of, headline_label, measured, sizes_of

Finding = Literal["better", "worse", "not settled", "no difference shown", "nothing can be said"]

_PHRASES: tuple[tuple[str, Finding], ...] = (
    (" is better than ", "better"),
    (" is worse than ", "worse"),
    (": not settled ", "not settled"),
    (": no difference shown ", "no difference shown"),
    (" are the same in every subject", "no difference shown"),
)


@dataclass(frozen=True, eq=False)
class SizeAnswer:
    """What a study says of one number of labelled people.

    Attributes:
        size: as in the protocol.
        choice: the strategy, chosen without the people who score it.
        mean: of the choice over test people.
        against: method -> comparison of the choice with it, as a row of `compare_measures`.
    """

    size: str
    choice: Choice
    mean: float
    against: dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class ExperimentAnswer:
    """What a study says of one experiment.

    Attributes:
        name: of the experiment.
        label: that it is about.
        measure: likewise.
        sizes: one answer each, in rising order.
    """

    name: str
    label: str
    measure: str
    sizes: tuple[SizeAnswer, ...]

    def sentences(self) -> list[str]:
        """The answer in words, the sum of it first."""
        if not self.sizes:
            return []
        said = [f"{self.name}: {_summed(self.sizes, TWIN, 'transfer', 'training from scratch')}"]
        if any(UNADAPTED in size.against for size in self.sizes):
            said.append(f"{self.name}: {_summed(self.sizes, UNADAPTED, 'adapting', 'the source as it is')}")
        for size in self.sizes:
            chosen = ", ".join(
                method if share == 1 else f"{method} ({share:.0%} of the test people)"
                for method, share in sorted(size.choice.chosen.items(), key=lambda item: -item[1])
            )
            said.append(
                f"{self.name}, {people_words(size.size)}: {chosen}, {size.choice.how}, reaches "
                f"{measure_words(self.measure)} {size.mean:.3f} of {self.label}."
            )
            said += [f"{self.name}: {row['verdict']}" for row in size.against.values()]
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        keys = ("difference", "low", "high", "p_corrected", "n_subjects", "verdict")
        return {
            "experiment": self.name,
            "label": self.label,
            "measure": self.measure,
            "sizes": [
                {
                    "size": size.size,
                    "chosen": dict(size.choice.chosen),
                    "how": size.choice.how,
                    "mean": size.mean,
                    "against": {
                        method: {"finding": finding_of(row), **{key: row[key] for key in keys}}
                        for method, row in size.against.items()
                    },
                }
                for size in self.sizes
            ],
        }


def answer_experiment(protocol: Protocol, scores: pd.DataFrame, name: str) -> ExperimentAnswer:
    """Choose a strategy at each size and compare it with scratch and with the unadapted source.

    The comparisons at all sizes are one family over which p is corrected.

    Args:
        protocol: of the study.
        scores: as `gather_scores` gives them.
        name: of the experiment.
    """
    own = scores[scores["experiment"] == name]
    label, measure = headline_label(own), protocol.scoring.measures[0]
    higher = direction_of(measure) is not False
    adapted = [str(m) for m in dict.fromkeys(own.loc[~own["strategy"].isin((TWIN, UNADAPTED)), "method"])]
    choices: dict[str, Choice] = {}
    frames: list[pd.DataFrame] = []
    for size in sizes_of(own):
        tested = _values(own, size, "test", measure, label)
        choice = choose_strategy(tested, _values(own, size, "validation", measure, label), adapted, higher)
        if choice is None:
            continue
        choices[size] = choice
        base = tested[tested["method"].isin((TWIN, UNADAPTED))]
        both = pd.concat([choice.scores, base], ignore_index=True)
        frames.append(both.assign(label=f"{label} with {people_words(size)}", measure=measure, size=size))
    against = {method: _comparisons(frames, method, protocol) for method in (TWIN, UNADAPTED)}
    answers = []
    for size, choice in choices.items():
        rows = {method: found[size] for method, found in against.items() if size in found}
        cases = choice.scores.groupby(["subject", "case"])["value"].mean()
        answers.append(SizeAnswer(size, choice, float(cases.mean()), rows))
    return ExperimentAnswer(name, label, measure, tuple(answers))


def answer_claim(protocol: Protocol, scores: pd.DataFrame, claim: ClaimConfig) -> list[str]:
    """Whether a sentence of the paper holds in each experiment that has both methods."""
    said = []
    names = claim.experiments or tuple(experiment.name for experiment in protocol.experiments)
    for name in names:
        own = scores[scores["experiment"] == name]
        if own.empty:
            continue
        label, measure = headline_label(own), protocol.scoring.measures[0]
        wanted = {str(size) for size in claim.sizes}
        found: dict[Finding, list[str]] = {}
        frames = []
        for size in sizes_of(own):
            if wanted and size not in wanted:
                continue
            tested = _values(own, size, "test", measure, label)
            pair = tested[tested["method"].isin((claim.better, claim.than))]
            if pair["method"].nunique() == 2:
                frames.append(pair.assign(label=f"{label} with {people_words(size)}", measure=measure, size=size))
        for size, row in _comparisons(frames, claim.than, protocol, claim.better).items():
            found.setdefault(finding_of(row), []).append(size)
        if found:
            said.append(f"{claim.text} {name}: {_claim_words(found, claim)}.")
    return said


def finding_of(row: dict[str, Any]) -> Finding:
    """What the verdict of a comparison amounts to."""
    text = str(row["verdict"])
    return next((finding for phrase, finding in _PHRASES if phrase in text), "nothing can be said")


def people_words(size: str) -> str:
    """Such as ``1 person``, ``5 people`` or ``all people``."""
    return "1 person" if size == "1" else f"{size} people"


def measure_words(measure: str) -> str:
    """How sentences call a measure."""
    return "Dice" if measure == "dice" else measure


def _values(own: pd.DataFrame, size: str, split: str, measure: str, label: str) -> pd.DataFrame:
    frame = measured(comparable(own, size, split), [measure], more=["test"])
    return frame[frame["label"] == label].drop(columns=["label", "measure"])


def _comparisons(
    frames: Sequence[pd.DataFrame], reference: str, protocol: Protocol, method: str = CHOSEN
) -> dict[str, dict[str, Any]]:
    """A method against another at every size where both are, corrected over the sizes."""
    usable = [frame[frame["method"].isin((method, reference))] for frame in frames]
    usable = [frame for frame in usable if frame["method"].nunique() == 2 and frame["subject"].nunique() > 0]
    if not usable:
        return {}
    sizes = {str(frame["label"].iloc[0]): str(frame["size"].iloc[0]) for frame in usable}
    whole = pd.concat(usable, ignore_index=True)
    measure = str(whole["measure"].iloc[0])
    table = compare_measures(
        whole.assign(measure=measure_words(measure)),
        {measure_words(measure): direction_of(measure)},
        reference,
        protocol.comparison.correction,
        level=protocol.comparison.level,
        draws=protocol.comparison.draws,
        inner=True,
    )
    return {
        sizes[str(row["label"])]: {str(key): value for key, value in row.items()} for row in table.to_dict("records")
    }


def _summed(sizes: Iterable[SizeAnswer], method: str, what: str, than: str) -> str:
    """At which sizes something helped, in one sentence."""
    found: dict[Finding, list[str]] = {}
    for size in sizes:
        if method in size.against:
            found.setdefault(finding_of(size.against[method]), []).append(size.size)
    words: dict[Finding, str] = {
        "better": f"{what} is better than {than}",
        "worse": f"{what} is worse than {than}",
        "not settled": f"whether {what} is better than {than} is not settled",
        "no difference shown": f"no difference between {what} and {than} is shown",
        "nothing can be said": f"nothing can be said of {what} and {than}",
    }
    parts = [f"{text} with {_listed(found[finding])}" for finding, text in words.items() if finding in found]
    return ("; ".join(parts) or f"there is nothing to compare {what} with") + "."


def _claim_words(found: dict[Finding, list[str]], claim: ClaimConfig) -> str:
    words: dict[Finding, str] = {
        "better": "holds here",
        "worse": "does not hold here: the opposite is shown",
        "not settled": "is not settled",
        "no difference shown": "is not shown",
        "nothing can be said": "cannot be judged",
    }
    if claim.expects == "no better":
        words |= {
            "better": f"does not hold here: {claim.better} is still better",
            "worse": f"holds here: {claim.than} is even better",
            "no difference shown": "is not spoken against: no difference is shown",
        }
    return "; ".join(f"{text} with {_listed(found[finding])}" for finding, text in words.items() if finding in found)


def _listed(sizes: Sequence[str]) -> str:
    if len(sizes) == 1:
        return people_words(sizes[0])
    return f"{', '.join(sizes[:-1])} and {sizes[-1]} people"
