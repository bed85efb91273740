"""P5's ladder: from made images to real scans, with no, one and more people, by two kinds of network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from neurograft.cohorts import Cohort, combine_cohorts, ladder_with_second_run
from neurograft.cohorts.label_matching import match_labels
from neurograft.cohorts.splits import Subjects
from neurograft.models import Bundle
from neurograft.recipes import load_recipe
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.pretrained import for_adaptation
from neurograft.recipes.schema import Recipe
from neurograft.studies.people import people_words
from neurograft.training.request import TrainingRequest

Method = Literal["none", "transfer", "scratch", "mixed"]
Progress = Callable[[int, int, str], None]

IN_THE_BOX = ("preparation.crop=mask", "preparation.crop_margin_mm=22", "validation.hold_out=0", "validation.keep=last")
"""Both networks see the atlas's structures and what the patches round them reach; the last weights are kept."""

PATCHES = (
    "preparation.orientation=RAS",
    "sampling.patch_size=[64,64,64]",
    "sampling.batch_size=1",
    "sampling.target_probability=0.8",
    "inference.overlap=0.25",
    "postprocessing.keep_largest=1",
    "postprocessing.connectivity=6",
)
"""What the recipe default becomes for the 3D U-Net."""

ATLAS_NOTE = (
    "An atlas of 8 label maps, of which no image was made, was registered to every scan; it gives the prior and the "
    "box that is looked at, and it knows nobody who is learnt from or tested."
)

BY_ATLAS = ("preparation.prior=channels", "inference.region=prior", "inference.region_margin=5")


@dataclass(frozen=True)
class NetworkPlan:
    """A network of the ladder.

    Attributes:
        name: in tables.
        recipe: shipped.
        overrides: of the recipe, in source and target.
        strategy: of transfer.
        source_budget, budget: steps on the source, of no account for a finished model, and on target people.
        ways: what is run: method and whether intensities are standardised.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...]
    strategy: str
    source_budget: str
    budget: str
    ways: tuple[tuple[Method, bool], ...]

    def recipe_for(self, budget: str, standardised: bool) -> Recipe:
        """The recipe of a training."""
        scale = ("preparation.normalisation=nyul",) if standardised else ()
        return load_recipe(self.recipe, [*IN_THE_BOX, *self.overrides, *scale, f"budget={budget}"])


@dataclass(frozen=True)
class Ladder:
    """How much is run. Everybody is scored at every size, by second runs of other people.

    Attributes:
        sizes: target people.
        images_each: made images of each label map.
        networks: compared.
        mixed_sizes: target people who are learnt from together with the source; each takes as long as a source.
        seeds: of weights and patches.
    """

    sizes: tuple[int, ...]
    images_each: int
    networks: tuple[NetworkPlan, ...]
    mixed_sizes: tuple[int, ...]
    seeds: tuple[int, ...] = (0,)


_WAYS: tuple[tuple[Method, bool], ...] = (
    ("none", False),
    ("transfer", False),
    ("scratch", False),
    ("none", True),
    ("mixed", True),
)
_TRIPLANAR = NetworkPlan(
    name="tri-planar",
    recipe="p5-subcortical",
    overrides=("optimiser.learning_rate=0.001", "inference.region_margin=5", "validation.figure=dice"),
    strategy="frozen_conv",
    source_budget="1200steps",
    budget="400steps",
    ways=_WAYS,
)
_UNET_WITH_ATLAS = NetworkPlan(
    name="3D U-Net with atlas",
    recipe="default",
    overrides=(*PATCHES, *BY_ATLAS),
    strategy="full",
    # As many seconds as the other's on two cores: a step takes longer.
    source_budget="700steps",
    budget="150steps",
    ways=_WAYS,
)
_ALL_WAYS: tuple[tuple[Method, bool], ...] = (*_WAYS, ("transfer", True))

SMALL = Ladder((1, 2, 3, 5, 7), 2, (_TRIPLANAR, _UNET_WITH_ATLAS), mixed_sizes=(7,))
"""Under two hours on two cores."""

FULL = Ladder(
    sizes=(1, 2, 3, 5, 7),
    images_each=4,
    networks=(
        replace(_TRIPLANAR, source_budget="6000steps", budget="1500steps", ways=_ALL_WAYS),
        replace(_UNET_WITH_ATLAS, source_budget="6000steps", budget="1500steps", ways=_ALL_WAYS),
        replace(
            _UNET_WITH_ATLAS,
            name="3D U-Net",
            overrides=PATCHES,
            source_budget="6000steps",
            budget="1500steps",
            ways=_ALL_WAYS[:3],
        ),
    ),
    mixed_sizes=(1, 2, 3, 5, 7),
    seeds=(0, 1, 2),
)


@dataclass(frozen=True)
class Cell:
    """One model of the ladder, and who is scored by it.

    Attributes:
        network: which.
        method: how it comes to the target.
        standardised: whether intensities are.
        people: of the target that it learns from; 0 for the source as it is.
        run: 0, or 1 for the second run of other people.
        learners, tested: subjects of the target.
        seed: of weights and patches.
    """

    network: NetworkPlan
    method: Method
    standardised: bool
    people: int
    run: int
    learners: Subjects
    tested: Subjects
    seed: int

    @property
    def way(self) -> str:
        """What tables call it."""
        return f"standardised, {self.method}" if self.standardised else self.method

    @property
    def words(self) -> str:
        """What the terminal calls it."""
        return f"{self.network.name}, {self.way}, {people_words(self.people)}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """A name for its folder."""
        words = f"{self.network.name} {self.way} {self.people} run{self.run} seed{self.seed}"
        return "".join(c if c.isalnum() or c == "-" else "-" for c in words).replace("--", "-")


def ladder_cells(ladder: Ladder, subjects: Subjects) -> list[Cell]:
    """All models of a ladder, network by network.

    Args:
        ladder: how much.
        subjects: of the target.
    """
    cells = []
    for seed in ladder.seeds:
        divided = ladder_with_second_run(subjects, ladder.sizes, seed)
        for network in ladder.networks:
            for method, standardised in network.ways:
                if method == "none":
                    learners: Subjects = ()
                    cells.append(Cell(network, method, standardised, 0, 0, learners, tuple(subjects), seed))
                    continue
                for size in ladder.mixed_sizes if method == "mixed" else ladder.sizes:
                    for run, (learners, tested) in enumerate(divided[size]):
                        cells.append(Cell(network, method, standardised, size, run, learners, tested, seed))
    return cells


def source_request(cell: Cell, source: Cohort, out: Path) -> TrainingRequest:
    """The training of the source model that a cell starts from, or whose scale of intensities it takes."""
    recipe = cell.network.recipe_for(cell.network.source_budget, cell.standardised)
    return TrainingRequest(source, recipe, out, seed=cell.seed)


def cell_request(cell: Cell, source: Cohort, target: Cohort, model: Bundle, out: Path) -> TrainingRequest:
    """The training of a cell.

    Args:
        cell: which.
        source: the made images.
        target: the real scans.
        model: the source model; its preparation, with the scale of intensities, is everybody's.
        out: for the run.
    """
    recipe = cell.network.recipe_for(cell.network.budget, cell.standardised)
    recipe = recipe.model_copy(update={"preparation": model.info.recipe.preparation})
    if cell.method == "none":
        # Nobody is learnt from; the source's own people stand for the labels.
        return TrainingRequest(source, recipe, out, "none", model, seed=cell.seed, allow_shared_subjects=True)
    learners = target.of_subjects(cell.learners)
    if cell.method == "mixed":
        budget = cell.network.source_budget
        joined = combine_cohorts([source, learners])
        return TrainingRequest(joined, recipe.model_copy(update={"budget": budget}), out, seed=cell.seed)
    if cell.method == "scratch":
        return TrainingRequest(learners, recipe, out, seed=cell.seed)
    return TrainingRequest(learners, recipe, out, cell.network.strategy, model, seed=cell.seed)


def model_request(cell: Cell, target: Cohort, model: Bundle, out: Path) -> TrainingRequest:
    """The training of a cell whose source is a finished model, by the model's own recipe.

    Args:
        cell: which; of its network only the overrides, the budget and the strategy count.
        target: the real scans.
        model: labels that it has under other names are matched.
        out: for the run.
    """
    tree = for_adaptation(model.info.recipe.model_dump(mode="json"))
    recipe = override_recipe(tree, [*cell.network.overrides, f"budget={cell.network.budget}"])
    learners = target.of_subjects(cell.learners or cell.tested)
    if cell.method == "scratch":
        return TrainingRequest(learners, recipe, out, seed=cell.seed)
    starts = {match.target: match.text for match in match_labels(target.labels, model.labels.names) if match.sources}
    strategy = cell.network.strategy if cell.method == "transfer" else "none"
    return TrainingRequest(learners, recipe, out, strategy, model, starts, cell.seed)
