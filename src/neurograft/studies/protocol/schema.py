"""A protocol whole: experiments, what they share, what is measured and what is asked."""

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from neurograft.evaluation.comparison.corrections import Correction
from neurograft.evaluation.measures import MEASURES
from neurograft.recipes.schema.base import Section
from neurograft.studies.protocol.people import CohortConfig, DrawConfig, SourceConfig, TestConfig, TrainingConfig

TWIN = "scratch"
UNADAPTED = "none"
ICC = "icc:"
"""Before the name of a quantity whose agreement with the reference is meant."""
Size = PositiveInt | Literal["all"]
KeepModels = Literal["all", "sources", "none"]


class VariantConfig(TrainingConfig):
    """A way to train that stands beside the plain one: another network, a label budget, a standardisation."""

    strategies: tuple[str, ...] | None = None
    """Strategies to which it applies; all by default."""
    sources: tuple[str, ...] | None = None
    """Sources with which it applies, those of the experiment by default; others are used by this variant alone,
    such as one that was trained with the variant's network."""
    beside: str | None = None
    """A cohort all of whose people, but for those tested, are learnt from together with each subset (P5's mixed
    training)."""
    people_factor: PositiveInt = 1
    """So many times the people of each size, as when each has so many times fewer slices drawn (P3)."""


class ExperimentConfig(TrainingConfig):
    """One question: from which sources to which target, with whom, by which strategies."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    question: str = ""
    cohort: str
    """The target cohort."""
    sources: tuple[str, ...] = ()
    """Models that the strategies start from."""
    label_from: dict[str, str] = Field(default_factory=dict)
    """Target label -> source label whose output it starts from."""
    test: TestConfig
    pool: PositiveInt | Literal["all"] = "all"
    """People outside the test set from whom subsets are drawn."""
    sizes: tuple[Size, ...] = Field(min_length=1)
    """Labelled people; ``all`` is the whole pool."""
    draw: DrawConfig = DrawConfig()
    folds: NonNegativeInt = 0
    """Parts of each subset, each of which chooses the weights once; at most one a person; 0 leaves
    validation to the recipe."""
    fold_models: Literal["apart", "averaged"] = "apart"
    """Score each fold's model (P1), or the mean of their probabilities (P2)."""
    strategies: tuple[str, ...] = Field(min_length=1)
    variants: dict[str, VariantConfig] = Field(default_factory=dict)
    plain: bool = True
    """Run the strategies without any variant too."""
    seeds: tuple[NonNegativeInt, ...] | None = None
    """Instead of the protocol's."""

    @model_validator(mode="after")
    def _sensible(self) -> "ExperimentConfig":
        named: dict[str, tuple[Any, ...]] = {
            "strategy": self.strategies, "size": self.sizes, "source": self.sources, "seed": self.seeds or (),
        }  # fmt: skip
        for what, entries in named.items():
            if len(set(entries)) < len(entries):
                raise ValueError(f"a {what} is named twice")
        if self.folds == 1:
            raise ValueError("folds must be 0, or 2 and more")
        if not self.sources and set(self.strategies) != {TWIN}:
            raise ValueError("without sources the only strategy is scratch")
        if self.fold_models == "averaged" and not self.folds:
            raise ValueError("fold_models: averaged needs folds")
        if not self.plain and not self.variants:
            raise ValueError("plain: false leaves nothing to run without variants")
        return self

    @property
    def every_source(self) -> tuple[str, ...]:
        """Its sources, then those that only variants start from."""
        of_variants = (name for variant in self.variants.values() for name in variant.sources or ())
        return tuple(dict.fromkeys((*self.sources, *of_variants)))


class ScoringConfig(Section):
    """What is measured of each prediction."""

    measures: tuple[str, ...] = ("dice",)
    """Columns of ``per_case.tsv`` that are compared; the first is the one that answers are about."""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    tolerance_mm: PositiveFloat = 1.0
    biomarkers: bool = False
    """Measure intensities in the images, and contrast ratios where there is a reference region."""

    @field_validator("measures")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in MEASURES]
        if unknown or not names:
            raise ValueError(
                f"{', '.join(unknown) or 'nothing'} cannot be measured; choose among {', '.join(MEASURES)}"
            )
        return names


class ComparisonConfig(Section):
    """How methods are compared."""

    reference: str | None = TWIN
    """The method that all others are compared with; ``null`` compares all pairs, as does an experiment that is
    planned without this method."""
    correction: Correction = "holm"
    level: float = Field(0.95, gt=0.5, lt=1)
    draws: PositiveInt = 10_000


class TargetConfig(Section):
    """What a user wants to reach, for the question how many labels that takes."""

    measure: str = "dice"
    """A measure that is scored, or ``icc:QUANTITY`` of a biomarker."""
    value: float
    label: str | None = None
    """The mean over labels by default."""
    minutes_per_scan: PositiveFloat | None = None


class ClaimConfig(Section):
    """A sentence of a paper that the study's own figures confirm or do not."""

    text: str
    better: str
    """A method."""
    than: str
    """Another."""
    expects: Literal["better", "no better"] = "better"
    """``no better``: the claim is that the first has no advantage any more."""
    experiments: tuple[str, ...] = ()
    """All by default."""
    sizes: tuple[Size, ...] = ()
    """All by default."""


class ComputeConfig(Section):
    """What each cell is computed with; part of its identity, since it decides the last bits."""

    device: Literal["cpu", "cuda", "auto"] = "auto"
    precision: Literal["fp32", "bf16", "auto"] = "auto"
    channels_last: bool | Literal["auto"] = "auto"
    threads: PositiveInt = 1
    memory_mib: PositiveInt = 3000
    """That a cell may need; decides how many run side by side."""


class Protocol(Section):
    """Everything that decides a study, but for where its cohorts lie."""

    title: str
    question: str = ""
    paper: Literal["P1", "P2", "P3", "P4", "P5"] | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know; printed in the report."""
    cohorts: dict[str, CohortConfig] = Field(min_length=1)
    recipe: str = "default"
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Recipe keys for every training."""
    sources: dict[str, SourceConfig] = Field(default_factory=dict)
    experiments: tuple[ExperimentConfig, ...] = Field(min_length=1)
    seeds: tuple[NonNegativeInt, ...] = (0,)
    scoring: ScoringConfig = ScoringConfig()
    comparison: ComparisonConfig = ComparisonConfig()
    target: TargetConfig | None = None
    claims: tuple[ClaimConfig, ...] = ()
    compute: ComputeConfig = ComputeConfig()
    keep_masks: bool = True
    """Keep the predictions, for the report's pictures."""
    keep_models: KeepModels = "all"
    """Weights that stay once no cell waits for them: ``all``, ``sources`` (those that other trainings start
    from) or ``none``. Figures, masks and the report need none; a cell that is added later trains its source again."""

    def seeds_of(self, experiment: ExperimentConfig) -> tuple[int, ...]:
        """Seeds of an experiment's trainings."""
        return experiment.seeds or self.seeds

    @model_validator(mode="after")
    def _names_are_there(self) -> "Protocol":
        names = [experiment.name for experiment in self.experiments]
        if len(set(names)) < len(names):
            raise ValueError("two experiments have the same name")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is named twice")
        used = [(f"sources.{name}", source.cohort) for name, source in self.sources.items()]
        used += [(f"experiment {one.name}", one.cohort) for one in self.experiments]
        used += [(f"experiment {one.name}: test", one.test.cohort) for one in self.experiments]
        used += [
            (f"experiment {one.name}, variant {name}", variant.beside)
            for one in self.experiments
            for name, variant in one.variants.items()
        ]
        for where, cohort in used:
            if cohort is not None and cohort not in self.cohorts:
                raise ValueError(f"{where} names cohort {cohort!r}; there are {', '.join(self.cohorts)}")
        for experiment in self.experiments:
            for source in experiment.every_source:
                if source not in self.sources:
                    raise ValueError(
                        f"experiment {experiment.name} names source {source!r}; "
                        f"there are {', '.join(self.sources) or 'none'}"
                    )
        target = self.target
        if target is not None and target.measure not in self.scoring.measures and not target.measure.startswith(ICC):
            raise ValueError(f"the target's measure {target.measure!r} is not among those that are scored")
        for claim in self.claims:
            for experiment_name in claim.experiments:
                if experiment_name not in names:
                    raise ValueError(f"a claim names experiment {experiment_name!r}; there are {', '.join(names)}")
        return self
