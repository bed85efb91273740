"""The methods of an experiment: what its tables compare."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from neurograft.errors import InputError
from neurograft.studies.protocol.people import TrainingConfig
from neurograft.studies.protocol.schema import TWIN, ExperimentConfig, VariantConfig
from neurograft.transfer import STRATEGIES


@dataclass(frozen=True)
class Method:
    """A row of the tables: a strategy, from a source, in a variant."""

    strategy: str
    source: str | None
    variant: str
    config: TrainingConfig
    several_sources: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        start = f"{self.strategy} from {self.source}" if self.several_sources and self.source else self.strategy
        return f"{start}, {self.variant}" if self.variant else start


def methods_of(experiment: ExperimentConfig) -> Iterator[Method]:
    """Strategies by sources by variants, in the order of the protocol."""
    variants: list[tuple[str, TrainingConfig]] = [("", experiment)] if experiment.plain else []
    for name, config in [*variants, *experiment.variants.items()]:
        chosen = experiment.strategies
        sources = experiment.sources
        if isinstance(config, VariantConfig):
            chosen = config.strategies if config.strategies is not None else chosen
            sources = config.sources if config.sources is not None else sources
        for strategy in chosen:
            if strategy == TWIN:
                yield Method(strategy, None, name, config)
                continue
            for source in sources:
                yield Method(strategy, source, name, config, max(len(experiment.sources), len(sources)) > 1)


def cohort_beside(method: Method) -> str | None:
    """The cohort that a method learns from together with each subset."""
    return method.config.beside if isinstance(method.config, VariantConfig) else None


def require_strategy(text: str) -> None:
    """Refuse an unknown strategy; whether its frontier exists the training says, which knows the network.

    Raises:
        InputError: there is none of this name.
    """
    name = text.partition("(")[0].strip()
    if name not in STRATEGIES and not text.strip().startswith("decay_"):
        near = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown strategy {text!r}", f"{hint}Strategies: {', '.join(STRATEGIES)}")
