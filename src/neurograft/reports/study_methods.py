"""The methods paragraph of a study, with its references: to be pasted into a paper and corrected there."""

from collections.abc import Iterable

import neurograft
from neurograft.evaluation.comparison.corrections import CORRECTION_WORDS
from neurograft.reports.number_text import counted
from neurograft.reports.training_facts import computed_with
from neurograft.studies.protocol.draws import ALL
from neurograft.studies.protocol.methods import methods_of
from neurograft.studies.protocol.schema import ExperimentConfig, Protocol
from neurograft.studies.results import StudyResults
from neurograft.studies.tables import reference_of

REFERENCES = {
    "neurograft": f"neurograft {neurograft.__version__}, software.",
    "torch": "A. Paszke et al., “PyTorch: an imperative style, high-performance deep learning library”, NeurIPS 2019.",
    "P1": "Bahador et al., on the locus coeruleus and substantia nigra in neuromelanin-sensitive MRI.",
    "P2": "Zhao et al. 2022, on midbrain nuclei in quantitative susceptibility maps.",
    "P3": "L. Richter, A. E. Fetit, “Accurate segmentation of neonatal brain MRI with deep learning”, 2022.",
    "P4": "R. Zoetmulder et al., “Domain- and task-specific transfer learning for medical segmentation tasks”, 2022.",
    "P5": "K. Kushibar et al., “Supervised domain adaptation for automatic sub-cortical brain structure segmentation "
    "with minimal user interaction”, Sci. Rep. 9, 2019.",
    "unet": "Ö. Çiçek et al., “3D U-Net: learning dense volumetric segmentation from sparse annotation”, MICCAI 2016.",
    "bootstrap": "B. Efron, R. J. Tibshirani, “An introduction to the bootstrap”, 1993.",
    "holm": "S. Holm, “A simple sequentially rejective multiple test procedure”, Scand. J. Stat. 6, 1979.",
    "curve": "C. Cortes et al., “Learning curves: asymptotic values and rate of convergence”, NIPS 1993.",
}


def methods_paragraph(results: StudyResults) -> tuple[str, tuple[str, ...]]:
    """Describe what was done, in the past tense, with numbers in brackets for the references.

    Returns:
        The paragraph, and its references in their order.
    """
    protocol = results.protocol
    cited: list[str] = []

    def cite(*names: str) -> str:
        for name in names:
            if name not in cited:
                cited.append(name)
        return "[" + ", ".join(str(cited.index(name) + 1) for name in names) + "]"

    parts = [
        f"All models were trained and scored with neurograft {neurograft.__version__} {cite('neurograft', 'torch')}"
    ]
    if protocol.paper is not None:
        parts[0] += f", after the protocol of {cite(protocol.paper)}"
    parts[0] += "."
    for experiment in protocol.experiments:
        parts += _experiment(protocol, experiment)
    compute = "" if results.runs.empty else computed_with(results.runs)
    if compute:
        parts.append(f"Training ran on {compute}.")
    seeds = [f"{_and(map(str, seeds))}{of}" for seeds, of in experiments_by_seeds(protocol)]
    parts.append(f"The seed was {seeds[0]}." if seeds[0].isdigit() else f"Seeds were {'; '.join(seeds)}.")
    means = f"Means are given with {protocol.comparison.level:.0%} bootstrap intervals over test people"
    parts.append(f"{means} {cite('bootstrap')}.")
    if any(len(list(methods_of(one))) > 1 for one in protocol.experiments):
        comparison = protocol.comparison
        corrected = "without correction"
        if comparison.correction != "none":
            corrected = f"corrected by the method of {CORRECTION_WORDS[comparison.correction]}"
            corrected += f" {cite('holm')}" if comparison.correction == "holm" else ""
        parts.append(
            f"Methods were compared {_compared_with(protocol)} on the same test people by sign-flip permutation tests "
            f"of the mean difference, {corrected}. A difference is called one only where its interval leaves out zero, "
            f"the corrected p is below {round(1 - comparison.level, 6):g}, and all seeds agree in sign."
        )
    if any(curve.fit is not None for curve in results.curves):
        parts.append(
            f"Learning curves are power laws fitted by weighted least squares {cite('curve')}, their uncertainty by "
            "resampling test people and draws of training people."
        )
    return " ".join(parts), tuple(REFERENCES[name] for name in cited)


def experiments_by_seeds(protocol: Protocol) -> list[tuple[tuple[int, ...], str]]:
    """The seeds of trainings, each with the experiments that have them, as in ``" in first and second"``.

    Where all experiments have the same seeds the words are empty.
    """
    found: dict[tuple[int, ...], list[str]] = {}
    for one in protocol.experiments:
        found.setdefault(protocol.seeds_of(one), []).append(one.name)
    return [(seeds, f" in {_and(names)}" if len(found) > 1 else "") for seeds, names in found.items()]


def _compared_with(protocol: Protocol) -> str:
    """With which method, in experiments that have several."""
    compared = [one.name for one in protocol.experiments if len(list(methods_of(one))) > 1]
    references = dict.fromkeys(reference_of(protocol, name) or "" for name in compared)
    named = [f"with {name}" for name in references if name]
    if "" not in references:
        return "".join(named)
    return f"{named[0]} where that was a method, else pairwise," if named else "pairwise"


def _experiment(protocol: Protocol, experiment: ExperimentConfig) -> list[str]:
    test = experiment.test
    tested = {
        "fixed": f"{counted(test.count, 'person', 'people') if test.count else f'{test.share:.0%} of the people'} "
        "were set aside for testing before anything else",
        "own": f"each subset held out {test.count or f'{test.share:.0%}'} of its own people for testing",
        "folds": f"everybody was tested once, in {test.folds} parts",
        "leave-one-out": "everybody was tested once, by models that had learnt from all others",
        "cohort": f"the people of cohort {test.cohort} were tested",
    }[test.kind]
    sizes = _and("all" if size == ALL else str(size) for size in experiment.sizes)
    drawn = "one set inside the next" if experiment.draw.kind == "nested" else "each set drawn independently"
    repeats = experiment.draw.repeats
    if repeats == "seeds":
        drawn += ", anew for each seed"
    elif repeats > 1:
        drawn += f", {repeats} times"
    said = [
        f"In the experiment {experiment.name}, {tested}; subsets of {sizes} people were drawn from the others, {drawn}."
    ]
    if experiment.folds:
        use = "scored by itself" if experiment.fold_models == "apart" else "averaged in their probabilities"
        said.append(
            f"Each subset was divided into up to {experiment.folds} parts, each of which chose the weights of one "
            f"model; the models were {use}."
        )
    methods = list(methods_of(experiment))
    sources = dict.fromkeys(method.source for method in methods if method.source is not None)
    strategies = dict.fromkeys(method.strategy for method in methods if method.source is not None)
    starts = [f"from {_and(sources)} by the strategies {_and(strategies)}"] if sources else []
    if any(method.source is None for method in methods):
        starts.append("from random weights")
    said.append(f"Models started {', and '.join(starts)}.")
    if experiment.variants:
        said.append(f"Variants were {_and(experiment.variants)}.")
    return said


def _and(names: Iterable[str]) -> str:
    texts = list(names)
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
