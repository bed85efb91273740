"""P4's question in small: which task and which domain to learn an encoder from, for anatomy and for lesions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from neurograft.demos.subcortical_data import STRUCTURES
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import Recipe

Domain = Literal["MRI", "pictures"]
TaskName = Literal["segmentation", "autoencoding", "classification"]

DOMAINS: tuple[Domain, ...] = ("MRI", "pictures")
TASKS: tuple[TaskName, ...] = ("segmentation", "autoencoding", "classification")
IMAGENET, RANDOM = "ImageNet", "random start"
STAND_IN = "ImageNet's stand-in"
"""A classifier of pictures as wide as ImageNet's ResNet-50, where there is no file with that one's weights."""

RANDOM_WIDE = f"{RANDOM}, full width"
FULL_WIDTH = 64
"""Channels of the stem of a ResNet-50 as torchvision has it; only into that do its weights fit."""

TISSUES: Mapping[str, tuple[str, ...]] = {
    "grey matter": (*STRUCTURES, "other grey matter"),
    "white matter": ("white matter",),
    "fluid": ("fluid",),
}
"""What the segmentation source on brains learns, as P4's tissues."""


@dataclass(frozen=True)
class SourceModel:
    """A source model, or none.

    Attributes:
        name: in tables.
        domain, task: what it learnt from, and what; None for weights from a file and for random ones.
        stem_channels: of its ResNet; 0 for the plan's.
    """

    name: str
    domain: Domain | None = None
    task: TaskName | None = None
    stem_channels: int = 0

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        return self.name.replace("'", "").replace(", ", "-").replace(" ", "-")


OWN_SOURCES = tuple(SourceModel(f"{domain}, {task}", domain, task) for domain in DOMAINS for task in TASKS)


def source_models(stem_channels: int, with_imagenet: bool) -> tuple[SourceModel, ...]:
    """All that a target starts from, the random start of the plan's width after its six sources.

    ImageNet's weights fit a ResNet of full width only. Where the plan's is narrower, they get a random twin of
    their own width, and a classifier of pictures stands in for them if there are none.

    Args:
        stem_channels: of the plan.
        with_imagenet: whether there is a file with its weights.
    """
    if stem_channels == FULL_WIDTH:
        imagenet = (SourceModel(IMAGENET),) if with_imagenet else ()
        return (*OWN_SOURCES, *imagenet, SourceModel(RANDOM))
    stand_in = SourceModel(STAND_IN, "pictures", "classification", FULL_WIDTH)
    seventh = SourceModel(IMAGENET, stem_channels=FULL_WIDTH) if with_imagenet else stand_in
    return (*OWN_SOURCES, SourceModel(RANDOM), seventh, SourceModel(RANDOM_WIDE, stem_channels=FULL_WIDTH))


@dataclass(frozen=True)
class SourceTarget:
    """What models are adapted to.

    Attributes:
        name: in tables.
        kind: which cohort.
        people: who are learnt from.
        draw: number of the draw of these people.
        budget: of each training.
        part, parts: which part of the test people it is tested on, and in how many parts they are tested: more
            than one where it learns from more people than the sources share, so that some who are tested by others
            are among them.
    """

    name: str
    kind: Literal["anatomy", "lesions"]
    people: int
    draw: int
    budget: str
    part: int = 0
    parts: int = 1

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        return f"{self.kind}-{self.people}-draw{self.draw}-part{self.part}"


@dataclass(frozen=True)
class SourcesPlan:
    """How much is run.

    Attributes:
        sizes: people of the anatomy that are learnt from.
        draws: independent subsets of each size.
        shared_people: of the anatomy, whom sources learn from too; nobody is tested on them.
        test_people: of the anatomy, whom no source has seen; all are tested at every size.
        images_each: made images of each label map.
        pictures, picture_side: how many, and how many pixels wide.
        lesion_people, lesion_test: learnt from and tested.
        source_budget, anatomy_budget, lesion_budget: of a training.
        overrides: of all recipes.
        of_scans: overrides of sources and targets on scans in the template's space.
        of_lesions: of the lesion target, whose phantoms lie there already.
        of_pictures: of sources on pictures.
        of_targets: of the targets.
        of_autoencoding, of_classification: of those sources.
        spacing_mm: voxel size of the lesion phantoms.
    """

    sizes: tuple[int, ...]
    draws: int
    shared_people: int
    test_people: int
    images_each: int
    pictures: int
    picture_side: int
    lesion_people: int
    lesion_test: int
    source_budget: str
    anatomy_budget: str
    lesion_budget: str
    overrides: tuple[str, ...]
    of_scans: tuple[str, ...]
    of_lesions: tuple[str, ...]
    of_pictures: tuple[str, ...]
    of_targets: tuple[str, ...]
    of_autoencoding: tuple[str, ...]
    of_classification: tuple[str, ...]
    spacing_mm: float

    def source_recipe(self, model: SourceModel) -> Recipe:
        """The recipe of a source."""
        of_task = {"autoencoding": self.of_autoencoding, "classification": self.of_classification}
        changes = [*self.overrides, *(self.of_scans if model.domain == "MRI" else self.of_pictures), *_width(model)]
        changes += [*of_task.get(str(model.task), ()), f"budget={self.source_budget}", "validation.hold_out=0"]
        recipe = load_recipe(f"p4-{model.task}", [*changes, "validation.keep=last"])
        if model.domain == "MRI" and model.task == "segmentation":
            recipe = recipe.model_copy(update={"labels": dict(TISSUES)})
        if model.domain == "MRI" and model.task == "classification":
            recipe = recipe.model_copy(update={"labels": tuple(STRUCTURES)})
        return recipe

    def target_recipe(self, target: SourceTarget, model: SourceModel) -> Recipe:
        """The recipe of a target's models, the same for all sources but for the width."""
        of_kind = self.of_scans if target.kind == "anatomy" else self.of_lesions
        changes = [*self.overrides, *of_kind, *self.of_targets, *_width(model), f"budget={target.budget}"]
        recipe = load_recipe("p4-target", changes)
        return recipe.model_copy(update={"labels": tuple(STRUCTURES)}) if target.kind == "anatomy" else recipe

    def targets(self) -> tuple[SourceTarget, ...]:
        """All that every source is adapted to."""
        anatomy = tuple(
            SourceTarget(f"anatomy, {size} people", "anatomy", size, draw, self.anatomy_budget, part, parts)
            for size, parts in zip(self.sizes, map(self._parts, self.sizes), strict=True)
            for draw in range(self.draws)
            for part in range(parts)
        )
        lesions = f"lesions, {self.lesion_people} people"
        return (*anatomy, SourceTarget(lesions, "lesions", self.lesion_people, 0, self.lesion_budget))

    def _parts(self, size: int) -> int:
        """In how many parts the test people are tested by models of `size` people."""
        if size <= self.shared_people:
            return 1
        left = self.shared_people + self.test_people - size
        if left < 1 or self.test_people % left:
            raise ValueError(f"{size} people leave {left} to test, which does not divide {self.test_people}")
        return self.test_people // left


def _width(model: SourceModel) -> list[str]:
    return [f"network.stem_channels={model.stem_channels}"] if model.stem_channels else []


SMALL_SOURCES = SourcesPlan(
    sizes=(3, 10),
    draws=1,
    shared_people=5,
    test_people=10,
    images_each=1,
    pictures=300,
    picture_side=128,
    lesion_people=20,
    lesion_test=10,
    source_budget="400steps",
    anatomy_budget="250steps",
    lesion_budget="300steps",
    overrides=(
        "network.stem_channels=16",
        "network.channels=[8,16,32,64,64]",
        "network.latent_channels=16",
        "sampling.batch_size=16",
        "optimiser.learning_rate=0.004",
    ),
    of_scans=(
        "preparation.spacing_mm=[2,2,2]",
        "preparation.crop_size=[96,128,null]",
        "sampling.patch_size=[96,128,1]",
        "inference.window=[96,128,16]",
    ),
    of_lesions=(
        "preparation.space=native",
        "preparation.spacing_mm=null",
        "preparation.crop_size=[96,128,null]",
        "sampling.patch_size=[96,128,1]",
        "inference.window=[96,128,16]",
        # Without skips a network learns slices of few people by heart: the loss falls, and others' lesions are missed.
        "augmentation.rotation_degrees=[0,0,12]",
        "augmentation.rotation_probability=0.7",
        "augmentation.scale=[0.9,1.1]",
        "augmentation.scale_probability=0.7",
        "augmentation.translation_voxels=[6,6,0]",
    ),
    of_pictures=(
        "preparation.space=native",
        "preparation.spacing_mm=null",
        "preparation.crop_size=[128,128,null]",
        "sampling.patch_size=[128,128,1]",
        "inference.window=[128,128,1]",
        "sampling.patches_per_subject=1",
    ),
    of_targets=("sampling.target_probability=0.9",),
    of_autoencoding=("task.adversary.channels=[16,32,64,64]", "task.adversary.from_step=300"),
    of_classification=("network.classifier_features=256",),
    spacing_mm=2.0,
)
"""About an hour on two cores."""

FULL_SOURCES = SourcesPlan(
    sizes=(3, 5, 10),
    draws=3,
    shared_people=5,
    test_people=10,
    images_each=10,
    pictures=20000,
    picture_side=256,
    lesion_people=20,
    lesion_test=10,
    source_budget="30epochs",
    anatomy_budget="300epochs",
    lesion_budget="60epochs",
    overrides=(),
    of_scans=(),
    of_lesions=("preparation.space=native", "preparation.spacing_mm=null"),
    of_pictures=("preparation.space=native", "sampling.patches_per_subject=1"),
    of_targets=(),
    # A third of the steps on brains, as in the paper; its 26000 are more than these cohorts have in 30 epochs.
    of_autoencoding=("task.adversary.from_step=1200",),
    of_classification=(),
    spacing_mm=1.0,
)
"""Slices of 256 x 256, the whole width and the paper's epochs: for a GPU."""
