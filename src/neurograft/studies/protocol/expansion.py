"""From a protocol to its cells: every training and scoring once, whatever shares it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import neurograft
from neurograft.cohorts import nested_subsets
from neurograft.errors import InputError
from neurograft.recipes import load_recipe
from neurograft.scoring.agreement import QUANTITIES, VOLUME
from neurograft.scoring.score_rows import BY_SQUARED_VOLUME, BY_VOLUME, MEAN
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cohorts import StudyCohort
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol.draws import ALL, Subset, TestSet, find_pool, find_subsets, find_test_sets
from neurograft.studies.protocol.methods import Method, cohort_beside, methods_of, require_strategy
from neurograft.studies.protocol.people import SourceConfig, TrainingConfig
from neurograft.studies.protocol.schema import ICC, TWIN, UNADAPTED, ExperimentConfig, Protocol, VariantConfig
from neurograft.training.ranks import require_one_process
from neurograft.training.record import library_versions

Subjects = tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The cells of a study, those that others wait for first, and what their results are about.

    Attributes:
        cells: by identifier.
        readings: a row for each use of a scoring cell: experiment, method, strategy, source, variant,
            size, people, test, draw, fold, seed, split, cell, trained.
    """

    cells: Mapping[str, Cell]
    readings: tuple[Mapping[str, Any], ...]

    def count(self, kind: str) -> int:
        """Cells of a kind."""
        return sum(cell.kind == kind for cell in self.cells.values())


@dataclass
class Expansion:
    """Makes the cells of a protocol.

    Attributes:
        protocol: what to expand.
        cohorts: opened and hashed, by name.
        placed: where they lie, by name.
        models: finished source models: name -> hash of all that they say.
        folder: of the study, which keeps recipes and lists of people.
    """

    protocol: Protocol
    cohorts: Mapping[str, StudyCohort]
    placed: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, str]
    folder: StudyFolder
    _cells: dict[str, Cell] = field(default_factory=dict)
    _readings: list[dict[str, Any]] = field(default_factory=list)
    _recipes: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=library_versions)

    def plan(self) -> Plan:
        """Expand every experiment.

        Raises:
            InputError: fewer people than are asked for, or a recipe, strategy, method or target that does not exist.
        """
        self._require_methods()
        self._require_target()
        for experiment in self.protocol.experiments:
            cohort = self.cohorts[experiment.cohort]
            others = self.cohorts[experiment.test.cohort].subjects if experiment.test.cohort is not None else ()
            for test in find_test_sets(experiment, cohort.subjects, others):
                self._expand(experiment, test)
        return Plan(self._cells, tuple(self._readings))

    def _require_methods(self) -> None:
        """Refuse what would only come out after the last training: a comparison or claim on nobody's method."""
        methods = {one.name: list(methods_of(one)) for one in self.protocol.experiments}
        for method in (method for several in methods.values() for method in several):
            require_strategy(method.strategy)
        names = {name: [method.name for method in several] for name, several in methods.items()}
        every = list(dict.fromkeys(method for several in names.values() for method in several))
        reference = self.protocol.comparison.reference
        if reference not in (None, TWIN) and reference not in every:
            raise InputError(
                f"comparison.reference: no experiment has a method {reference!r}", f"Methods: {', '.join(every)}"
            )
        for claim in self.protocol.claims:
            told = claim.experiments or tuple(names)
            if not any({claim.better, claim.than} <= set(names[name]) for name in told):
                raise InputError(
                    f"claim {claim.text!r}: no experiment that it is about has both methods, {claim.better!r} and "
                    f"{claim.than!r}",
                    f"Methods: {', '.join(every)}",
                )

    def _require_target(self) -> None:
        """Refuse a target of a quantity or structure that no experiment measures."""
        target, scoring = self.protocol.target, self.protocol.scoring
        if target is None:
            return
        if target.measure.startswith(ICC):
            measured = [VOLUME[0], *((words for words, _ in QUANTITIES.values()) if scoring.biomarkers else ())]
            if target.measure.removeprefix(ICC) not in measured:
                raise InputError(
                    f"target.measure: {target.measure.removeprefix(ICC)!r} is not measured",
                    f"Quantities: {', '.join(measured)}"
                    + ("" if scoring.biomarkers else "; more with scoring.biomarkers: true"),
                )
        if target.label is not None:
            scored = [name for one in self.protocol.experiments for name in self._scored_labels(one)]
            known = list(dict.fromkeys([*scored, *scoring.groups]))
            if not target.measure.startswith(ICC):
                known += [MEAN, BY_VOLUME, BY_SQUARED_VOLUME]
            if target.label not in known:
                raise InputError(
                    f"target.label: no experiment scores {target.label!r}", f"Structures: {', '.join(known)}"
                )

    def _scored_labels(self, experiment: ExperimentConfig) -> tuple[str, ...]:
        """Names of the structures that an experiment's methods are scored on."""
        tested = self.cohorts[experiment.test.cohort or experiment.cohort].cohort
        wanted = [self.folder.block(self._recipe(one.config, experiment))["labels"] for one in methods_of(experiment)]
        return tuple(name for labels in wanted for name in (tested.labels.names if labels is None else labels))

    def _expand(self, experiment: ExperimentConfig, test: TestSet) -> None:
        seeds = self.protocol.seeds_of(experiment)
        methods = list(methods_of(experiment))
        learners = {experiment.cohort: set(find_pool(experiment, test))}
        for name in experiment.every_source:
            source = self.protocol.sources[name]
            if source.cohort is not None:
                learners.setdefault(source.cohort, set()).update(self._source_people(source, experiment, test))
        for name in filter(None, (cohort_beside(method) for method in methods)):
            learners.setdefault(name, set()).update(self._source_people(SourceConfig(cohort=name), experiment, test))
        finished = [name for name in experiment.every_source if self.protocol.sources[name].model is not None]
        guard = self._guard(experiment, test, learners, finished)
        for method in methods:
            if method.strategy == UNADAPTED:
                for seed in seeds:
                    # It learns from nobody, but its labels come from somewhere: the pool.
                    people = find_pool(experiment, test)[:1]
                    alone = Subset(0, test.draw or 0, seed, people, (None,))
                    self._run(experiment, test, method, alone, guard)
                continue
            factor = method.config.people_factor if isinstance(method.config, VariantConfig) else 1
            for subset in find_subsets(experiment, test, seeds, factor):
                self._run(experiment, test, method, subset, guard)

    def _run(self, experiment: ExperimentConfig, test: TestSet, method: Method, subset: Subset, guard: Cell) -> None:
        """The trainings of a method on a subset, one a fold, and what is scored of them."""
        recipe = self._recipe(method.config, experiment)
        people = f"{len(subset.people)} people" if subset.size else "no people"
        name = f"{experiment.name}, {test.name}: {method.name}, {people}, draw {subset.draw}, seed {subset.seed}"
        trained = []
        for fold, held in enumerate(subset.folds):
            title = name + ("" if held is None else f", fold {fold}")
            training = self._training(experiment, test, method, subset, held, recipe, title)
            trained.append(training)
            if held is not None:
                scored = self._scoring(experiment.cohort, held, (training,), recipe, guard, f"{title}: validation")
                self._read(experiment, test, method, subset, scored, (training,), "validation", fold)
        tested_in = experiment.test.cohort or experiment.cohort
        if experiment.fold_models == "averaged":
            scored = self._scoring(tested_in, test.tested, tuple(trained), recipe, guard, f"{name}: test")
            self._read(experiment, test, method, subset, scored, tuple(trained), "test", None)
            return
        for fold, training in enumerate(trained):
            scored = self._scoring(tested_in, test.tested, (training,), recipe, guard, f"{training.title}: test")
            number = None if subset.folds[fold] is None else fold
            self._read(experiment, test, method, subset, scored, (training,), "test", number)

    def _training(
        self,
        experiment: ExperimentConfig,
        test: TestSet,
        method: Method,
        subset: Subset,
        held: Subjects | None,
        recipe: str,
        title: str,
    ) -> Cell:
        learners = [(experiment.cohort, subset.people)]
        beside = cohort_beside(method) if method.strategy != UNADAPTED else None
        if beside is not None:
            learners.append((beside, self._source_people(SourceConfig(cohort=beside), experiment, test)))
        origin, shared = None, False
        if method.source is not None:
            config = self.protocol.sources[method.source]
            origin = self._source(method.source, config, experiment, test, subset.seed)
            if config.cohort is not None:
                source_people = self._source_people(config, experiment, test)
                shared = any(self._share_people(config.cohort, source_people, *others) for others in learners)
        spec = {
            "cohort": experiment.cohort,
            "people": self._people(experiment.cohort, subset.people),
            "recipe": recipe,
            "strategy": method.strategy,
            "source": {"cell": origin.id} if isinstance(origin, Cell) else origin,
            "label_from": dict(experiment.label_from) if origin is not None else {},
            "seed": subset.seed,
            "validation": None if held is None else list(held),
            "shared": shared,
            **self._software(),
        }
        if beside is not None:
            spec["beside"] = {"cohort": beside, "people": self._people(*learners[-1])}
        return self._keep(Cell("train", spec, (origin.id,) if isinstance(origin, Cell) else (), title))

    def _source(
        self, name: str, config: SourceConfig, experiment: ExperimentConfig, test: TestSet, seed: int
    ) -> Cell | dict[str, str]:
        """The cell that trains a source model, or the name of a finished one."""
        if config.model is not None:
            return {"name": name, "weights": self.models[name]}
        cohort = config.cohort or ""
        people = self._source_people(config, experiment, test)
        own = config.seed if config.seed is not None else seed
        spec = {
            "cohort": cohort,
            "people": self._people(cohort, people),
            "recipe": self._recipe(config, None),
            "strategy": TWIN,
            "source": None,
            "label_from": {},
            "seed": own,
            "validation": None,
            "shared": False,
            **self._software(),
        }
        # A source of people who are tested themselves is another one for each test set.
        apart = self._same_place(cohort, experiment.test.cohort or experiment.cohort)
        title = f"source {name}, {len(people)} people, seed {own}" + (f", apart from {test.name}" if apart else "")
        return self._keep(Cell("train", spec, (), title))

    def _source_people(self, config: SourceConfig, experiment: ExperimentConfig, test: TestSet) -> Subjects:
        """Whom a source model learns from: never anybody who is tested."""
        cohort = config.cohort or ""
        away: set[str] = set()
        if self._same_place(cohort, experiment.test.cohort or experiment.cohort):
            away |= set(test.tested)
        if config.people == "apart" and self._same_place(cohort, experiment.cohort):
            away |= set(find_pool(experiment, test))
        left = tuple(subject for subject in self.cohorts[cohort].subjects if subject not in away)
        if isinstance(config.people, int):
            if config.people > len(left):
                raise InputError(
                    f"experiment {experiment.name}: its source learns from {config.people} people of cohort "
                    f"{cohort!r}, and {len(left)} are left beside the test set",
                    "Ask for fewer",
                )
            return nested_subsets(left, [config.people], experiment.test.seed)[config.people]
        if not left:
            raise InputError(
                f"experiment {experiment.name}: nobody of cohort {cohort!r} is left for its source",
                "Make pool smaller, or set the source's people to rest",
            )
        return left

    def _scoring(
        self, cohort: str, people: Subjects, trained: tuple[Cell, ...], recipe: str, guard: Cell, title: str
    ) -> Cell:
        models = [cell.id for cell in trained]
        spec = {
            "cohort": cohort,
            "people": self._people(cohort, people),
            "models": models,
            "labels": self.folder.block(recipe)["labels"],
            "scoring": self.protocol.scoring.model_dump(mode="json"),
            "keep_masks": self.protocol.keep_masks,
            "device": "cuda" if self.protocol.compute.device == "cuda" else "cpu",
            **self._software(),
        }
        return self._keep(Cell("score", spec, (*models, guard.id), title))

    def _guard(
        self, experiment: ExperimentConfig, test: TestSet, learners: Mapping[str, set[str]], finished: list[str]
    ) -> Cell:
        def group(cohort: str, subjects: Subjects) -> dict[str, str]:
            return {"cohort": cohort, "people": self._people(cohort, subjects)}

        tested = group(experiment.test.cohort or experiment.cohort, test.tested)
        others = [group(cohort, tuple(sorted(subjects))) for cohort, subjects in sorted(learners.items()) if subjects]
        models = [{"name": name, "weights": self.models[name]} for name in sorted(finished)]
        spec = {"test": tested, "learners": others, "models": models, "neurograft": neurograft.__version__}
        return self._keep(Cell("guard", spec, (), f"{experiment.name}: nobody on both sides of {test.name}"))

    def _read(
        self,
        experiment: ExperimentConfig,
        test: TestSet,
        method: Method,
        subset: Subset,
        scored: Cell,
        trained: tuple[Cell, ...],
        split: str,
        fold: int | None,
    ) -> None:
        self._readings.append(
            {
                "experiment": experiment.name,
                "method": method.name,
                "strategy": method.strategy,
                "source": method.source or "",
                "variant": method.variant,
                "size": str(subset.size),
                "people": len(subset.people) if subset.size else 0,
                "test": test.name,
                "draw": subset.draw,
                "fold": fold,
                "seed": subset.seed,
                "split": split,
                "cell": scored.id,
                "trained": [cell.id for cell in trained],
            }
        )

    def _recipe(self, config: TrainingConfig, experiment: ExperimentConfig | None) -> str:
        """The resolved recipe of a training, kept in the study's blocks."""
        protocol = self.protocol
        layers: list[TrainingConfig] = [config] if experiment is None or config is experiment else [experiment, config]
        name = next((layer.recipe for layer in reversed(layers) if layer.recipe is not None), protocol.recipe)
        values = dict(protocol.overrides)
        for layer in layers:
            values |= layer.overrides
        for key in ("device", "precision", "channels_last", "threads"):
            values[f"compute.{key}"] = getattr(protocol.compute, key)
        texts = tuple(f"{key}={json.dumps(value)}" for key, value in values.items())
        if (name, texts) not in self._recipes:
            recipe = load_recipe(name, texts)
            # Their start would run the study's command again.
            require_one_process(recipe.compute, "a study")
            self._recipes[name, texts] = self.folder.keep_block(recipe.model_dump(mode="json"))
        return self._recipes[name, texts]

    def _people(self, cohort: str, subjects: Subjects) -> str:
        digests = self.cohorts[cohort].digests
        return self.folder.keep_block({subject: digests[subject] for subject in subjects})

    def _same_place(self, first: str, second: str) -> bool:
        return first == second or self.placed[first]["path"] == self.placed[second]["path"]

    def _share_people(self, first: str, people: Subjects, second: str, others: Subjects) -> bool:
        if self._same_place(first, second):
            return bool(set(people) & set(others))
        here, there = self.cohorts[first].digests, self.cohorts[second].digests
        return bool({here[one] for one in people} & {there[one] for one in others})

    def _software(self) -> dict[str, Any]:
        return {"threads": self.protocol.compute.threads, "versions": self._versions}

    def _keep(self, cell: Cell) -> Cell:
        return self._cells.setdefault(cell.id, cell)


__all__ = ["ALL", "Expansion", "Plan"]
