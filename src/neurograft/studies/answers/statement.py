"""The answer of a study: whether transfer helped, by how much, at which label counts, by which strategy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from neurograft.evaluation.comparison.compare import compare_measures
from neurograft.studies.answers.choice import CHOSEN, Choice, choose_strategy
from neurograft.studies.answers.partners import partners_of, rows_of_partners
from neurograft.studies.people import people_words
from neurograft.studies.protocol.methods import methods_of
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
        against: strategy, scratch or none -> comparison of the choice with the method of that strategy which
            stands beside what was chosen, as a row of `compare_measures`.
        beside: strategy -> names of these methods, in the order of the share that the choice gives them.
    """

    size: str
    choice: Choice
    mean: float
    against: dict[str, dict[str, Any]]
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
                for method, share in ((method, size.choice.chosen[method]) for method in size.choice.by_share)
            )
            said.append(
                f"{self.name}, {people_words(size.size)}: {chosen}, {size.choice.how}, reaches "
                f"{measure_words(self.measure)} {size.mean:.3f} of {self.label}{_beside_words(size)}."
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
                        strategy: {
                            "methods": list(size.beside.get(strategy, ())),
                            "finding": finding_of(row),
                            **{key: row[key] for key in keys},
                        }
                        for strategy, row in size.against.items()
                    },
                }
                for size in self.sizes
            ],
        }


def answer_experiment(protocol: Protocol, scores: pd.DataFrame, name: str) -> ExperimentAnswer:
    """Choose a strategy at each size and compare it with scratch and with the unadapted source.

    What is chosen has beside it scratch in its own variant, and its own source as it is in its own variant; where
    the variant has none, those without any variant.

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
    partners = {strategy: partners_of(own, strategy) for strategy in (TWIN, UNADAPTED)}
    choices: dict[str, Choice] = {}
    beside: dict[str, dict[str, tuple[str, ...]]] = {}
    frames: list[pd.DataFrame] = []
    for size in sizes_of(own):
        tested = _values(own, size, "test", measure, label)
        choice = choose_strategy(tested, _values(own, size, "validation", measure, label), adapted, higher)
        if choice is None:
            continue
        choices[size] = choice
        other = {strategy: rows_of_partners(choice, tested, by_method) for strategy, by_method in partners.items()}
        beside[size] = {strategy: tuple(map(str, rows["method"].unique())) for strategy, rows in other.items()}
        both = [choice.scores, *(rows.assign(method=strategy) for strategy, rows in other.items() if len(rows))]
        whole = pd.concat(both, ignore_index=True)
        frames.append(whole.assign(label=f"{label} with {people_words(size)}", measure=measure, size=size))
    against = {strategy: _comparisons(frames, strategy, protocol) for strategy in partners}
    answers = []
    for size, choice in choices.items():
        rows = {strategy: found[size] for strategy, found in against.items() if size in found}
        cases = choice.scores.groupby(["subject", "case"])["value"].mean()
        answers.append(SizeAnswer(size, choice, float(cases.mean()), rows, beside[size]))
    return ExperimentAnswer(name, label, measure, tuple(answers))


def answer_claim(protocol: Protocol, scores: pd.DataFrame, claim: ClaimConfig) -> list[str]:
    """Whether a sentence of the paper holds in each experiment that it is about, at each of its sizes.

    A claim that names no experiments is about those that are planned with both methods, and one that names no
    sizes about all that are planned. It cannot be judged where a method has no scores.
    """
    said = []
    pair = {claim.better, claim.than}
    planned = [one.name for one in protocol.experiments if pair <= {method.name for method in methods_of(one)}]
    for experiment in protocol.experiments:
        if experiment.name not in (claim.experiments or planned):
            continue
        own = scores[scores["experiment"] == experiment.name]
        sizes = [str(size) for size in claim.sizes or experiment.sizes]
        frames = []
        for size in sizes_of(own):
            if size in sizes:
                label, measure = headline_label(own), protocol.scoring.measures[0]
                tested = _values(own, size, "test", measure, label)
                frames.append(tested.assign(label=f"{label} with {people_words(size)}", measure=measure, size=size))
        compared = _comparisons(frames, claim.than, protocol, claim.better)
        found: dict[Finding, list[str]] = {}
        for size in sizes:
            finding = finding_of(compared[size]) if size in compared else "nothing can be said"
            found.setdefault(finding, []).append(size)
        said.append(f"{claim.text} {experiment.name}: {_claim_words(found, claim)}.")
    return said


def finding_of(row: dict[str, Any]) -> Finding:
    """What the verdict of a comparison amounts to."""
    text = str(row["verdict"])
    return next((finding for phrase, finding in _PHRASES if phrase in text), "nothing can be said")


def measure_words(measure: str) -> str:
    """How sentences call a measure."""
    return "Dice" if measure == "dice" else measure


def _beside_words(size: SizeAnswer) -> str:
    """What scratch and the source as it is are here, where tables call them otherwise."""
    words = {TWIN: "training from scratch", UNADAPTED: "the source as it is"}
    told = [
        f"{what} is {' and '.join(size.beside[strategy])}"
        for strategy, what in words.items()
        if strategy in size.against and size.beside.get(strategy, ()) not in ((), (strategy,))
    ]
    return f"; beside it {', and '.join(told)}" if told else ""


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
        same_runs=True,
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
