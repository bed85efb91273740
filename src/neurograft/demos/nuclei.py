"""P2 in small, on phantoms: three nuclei on thin coronal slices, from a model of two on thick axial ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neurograft.cohorts import Cohort, open_cohort
from neurograft.phantoms.susceptibility import make_susceptibility_cohort
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import Recipe

RATERS = ("rater1", "rater2")
"""The first draws what is learnt and scored against; the second shows how far people agree."""

NUCLEI = ("RN", "SN", "STN")


@dataclass(frozen=True)
class NucleiArm:
    """One way to a model of the target.

    Attributes:
        name: in tables.
        transfers: whether it starts from a source of its own architecture, or from random weights.
        overrides: of the recipes of source and target, on top of the plan's.
    """

    name: str
    transfers: bool
    overrides: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        return self.name.replace(" ", "-")


TRANSFER, SCRATCH, NO_GATES = "transfer", "scratch", "transfer without gates"
ARMS = (
    NucleiArm(TRANSFER, True),
    NucleiArm(SCRATCH, False),
    NucleiArm(NO_GATES, True, ("network.attention_gates=none",)),
)
"""P2's TL-model, NTL-model and ablation of the gates, which has a source without gates."""


@dataclass(frozen=True)
class NucleiPlan:
    """How much is run.

    Attributes:
        source_people: with thick axial slices.
        target_people: with thin coronal slices.
        test_people: of the target, who are only ever tested on.
        folds: of the other people of the target; as many models are averaged.
        source_budget, budget: steps on the source and on the target.
        overrides: of both recipes.
        of_source, of_target: overrides of one of them.
    """

    source_people: int
    target_people: int
    test_people: int
    folds: int
    source_budget: str
    budget: str
    overrides: tuple[str, ...]
    of_source: tuple[str, ...]
    of_target: tuple[str, ...]
    source_seed: int = 31
    target_seed: int = 32

    def source_recipe(self, arm: NucleiArm) -> Recipe:
        """The recipe of the source that an arm starts from."""
        changes = [*self.overrides, *self.of_source, *arm.overrides, f"budget={self.source_budget}"]
        return load_recipe("p2-source", changes)

    def target_recipe(self, arm: NucleiArm) -> Recipe:
        """The recipe of an arm's models."""
        return load_recipe("p2-target", [*self.overrides, *self.of_target, *arm.overrides, f"budget={self.budget}"])


NUCLEI_PLAN = NucleiPlan(
    source_people=24,
    target_people=36,
    test_people=14,
    folds=5,
    source_budget="600steps",
    budget="400steps",
    overrides=(
        "network.channels=[8,16,32,64,128]",
        "sampling.batch_size=16",
        "optimiser.learning_rate=0.002",
        "validation.every=50",
        "validation.early_stopping_patience=null",
    ),
    of_source=(
        "preparation.crop_size=[64,64,null]",
        "sampling.patch_size=[64,64,1]",
        "inference.window=[64,64,22]",
        "augmentation.translation_voxels=[7,7,0]",
    ),
    of_target=(
        "preparation.crop_size=[48,null,48]",
        "sampling.patch_size=[48,1,48]",
        "inference.window=[48,16,48]",
        "augmentation.translation_voxels=[5,0,5]",
    ),
)
"""About twenty minutes on two cores."""


@dataclass(frozen=True)
class NucleiScans:
    """The phantoms.

    Attributes:
        source: thick axial slices, labels RN and SN-STN.
        pool: people of the target whom the folds divide.
        test: the others of the target.
    """

    source: Cohort
    pool: Cohort
    test: Cohort

    @property
    def drawings(self) -> Mapping[str, Path]:
        """The folder of each rater's label maps of the target."""
        return {rater: Path(self.test.source).parent / rater for rater in RATERS}


def nuclei_scans(plan: NucleiPlan, folder: Path) -> NucleiScans:
    """Make the phantoms in `folder`; those that are there are kept.

    Args:
        plan: how many.
        folder: for both cohorts.
    """
    source, target = folder / "source" / "cohort.tsv", folder / "target" / "cohort.tsv"
    if not source.is_file():
        make_susceptibility_cohort(source.parent, plan.source_people, plan.source_seed, "source", label="rater1")
    if not target.is_file():
        make_susceptibility_cohort(target.parent, plan.target_people, plan.target_seed, "target", label="rater1")
    people = open_cohort(target, name="susceptibility phantoms, coronal")
    learnt = people.subjects[: len(people.subjects) - plan.test_people]
    return NucleiScans(
        source=open_cohort(source, name="susceptibility phantoms, axial"),
        pool=people.of_subjects(learnt),
        test=people.of_subjects(subject for subject in people.subjects if subject not in learnt),
    )
