"""Scans and pictures of P4's demonstration: who is learnt from by sources and targets, and who is only tested."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from neurograft.cohorts import Cohort, combine_cohorts, fingerprint_cohort, hold_out, open_cohort, require_disjoint
from neurograft.cohorts.combining import fingerprint_parts
from neurograft.cohorts.splits import Subjects, k_folds, nested_subsets
from neurograft.demos.sources import SourcesPlan, SourceTarget
from neurograft.demos.subcortical_data import CHANNEL, STRUCTURES, T1_LIKE
from neurograft.errors import InputError
from neurograft.phantoms import make_lesion_cohort
from neurograft.phantoms.shape_pictures import make_picture_cohort
from neurograft.recipes import load_recipe
from neurograft.training.synthetic_cohort import write_synthetic_cohort

SPLIT_SEED = 2022
MADE_SEED, LESION_SEED, PICTURE_SEED = 41, 42, 43

_WORDS: Mapping[str, tuple[str, ...]] = {
    "fluid": ("ventricle", "lat vent", "csf"),
    "white matter": ("white matter", "brain stem", "brain-stem", "ventral dc", "optic chiasm"),
    "other grey matter": (
        "cortex", "gyrus", "insula", "operculum", "pole", "precuneus", "cuneus", "planum", "lobule", "entorhinal",
        "area", "basal forebrain", "cerebellum exterior",
    ),
}  # fmt: skip
"""Words in the names of structures that are a tissue, but for the fourteen that are learnt by themselves."""


@dataclass(frozen=True)
class SourcesScans:
    """All cohorts.

    Attributes:
        brains: what sources learn brains from: made images of label maps, and the real scans of those `shared`.
        pictures: what they learn natural images from.
        anatomy: real scans with fourteen structures.
        shared: people of these whom sources learn from too; all others are tested.
        lesion_pool, lesion_test: phantoms with lesions.
    """

    brains: Cohort
    pictures: Cohort
    anatomy: Cohort
    shared: Subjects
    lesion_pool: Cohort
    lesion_test: Cohort

    def learners(self, target: SourceTarget) -> Cohort:
        """Who a target learns from; of one draw the smaller set is inside the larger one."""
        if target.kind == "anatomy" and target.parts > 1:
            return self.anatomy.of_subjects([*self.shared, *self._part(target)[0]])
        pool = self.anatomy.of_subjects(self.shared) if target.kind == "anatomy" else self.lesion_pool
        drawn = nested_subsets(pool.subjects, [target.people], SPLIT_SEED + target.draw)
        return pool.of_subjects(drawn[target.people])

    def tested(self, target: SourceTarget) -> Cohort:
        """Who is tested."""
        if target.kind == "lesions":
            return self.lesion_test
        return self.anatomy.of_subjects(self._part(target)[1] if target.parts > 1 else self._others())

    def _others(self) -> Subjects:
        return tuple(person for person in self.anatomy.subjects if person not in self.shared)

    def _part(self, target: SourceTarget) -> tuple[Subjects, Subjects]:
        """Of the others: who is learnt from besides those shared, and who is tested."""
        return k_folds(self._others(), target.parts, SPLIT_SEED + target.draw)[target.part]


def sources_scans(plan: SourcesPlan, folder: Path, data_root: Path) -> SourcesScans:
    """Make images, pictures and phantoms in `folder`, and divide people; what is there is kept.

    Args:
        plan: how much.
        folder: for all that is made.
        data_root: holds ``brain-label-maps`` and ``miccai2012-train``.

    Raises:
        InputError: a data set is missing, or a source would learn from somebody who is tested.
    """
    for name in ("brain-label-maps", "miccai2012-train"):
        if not (data_root / name).is_dir():
            raise InputError(f"holds no folder {name}", "Give the folder above both data sets", data_root)
    real = open_cohort(data_root / "miccai2012-train")
    expected = plan.shared_people + plan.test_people
    if len(real.subjects) != expected:
        raise InputError(
            f"holds {len(real.subjects)} people with labels, where {expected} are expected",
            "Give the whole data set",
            data_root / "miccai2012-train",
        )
    shared, _ = hold_out(real.subjects, count=plan.test_people, seed=SPLIT_SEED)
    made, pictures, lesions = folder / "made", folder / "pictures", folder / "lesions"
    if not made.is_dir():
        maps = open_cohort(data_root / "brain-label-maps")
        merged = {
            **{name: (theirs,) for name, theirs in STRUCTURES.items()},
            **tissue_labels(maps, STRUCTURES.values()),
        }
        recipe = load_recipe("synthetic-brain", [*T1_LIKE, f"preparation.spacing_mm={[plan.spacing_mm] * 3}"])
        recipe = recipe.model_copy(update={"labels": merged})
        write_synthetic_cohort(maps, recipe, made, plan.images_each, MADE_SEED)
    if not pictures.is_dir():
        make_picture_cohort(pictures, plan.pictures, PICTURE_SEED, plan.picture_side)
    if not lesions.is_dir():
        people = plan.lesion_people + plan.lesion_test
        make_lesion_cohort(lesions, people, LESION_SEED, ("FLAIR",), plan.spacing_mm)
    tissues = tissue_labels(real, STRUCTURES)
    whole = real.select_labels({**{name: (name,) for name in STRUCTURES}, **tissues})
    brains = combine_cohorts([_t1(open_cohort(made, name="made")), _t1(whole.of_subjects(shared))])
    phantoms = open_cohort(lesions, name="lesion phantoms")
    scans = SourcesScans(
        brains=brains,
        pictures=open_cohort(pictures, name="made pictures"),
        anatomy=_t1(real.select_labels(list(STRUCTURES))),
        shared=shared,
        lesion_pool=phantoms.of_subjects(phantoms.subjects[: plan.lesion_people]),
        lesion_test=phantoms.of_subjects(phantoms.subjects[plan.lesion_people :]),
    )
    of_sources = fingerprint_parts(brains)
    for target in plan.targets():
        tested = fingerprint_cohort(scans.tested(target))
        for part in (*of_sources, fingerprint_cohort(scans.learners(target))):
            require_disjoint(part, tested, f"cohort {part.name}", "the test subjects")
    return scans


def tissue_labels(cohort: Cohort, structures: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Labels of a cohort by tissue, those of the given structures left out.

    Args:
        cohort: whose label table it is.
        structures: names that belong to no tissue here.

    Returns:
        Tissue to names; a name that no word of a tissue occurs in is left out.
    """
    left_out = set(structures)
    found: dict[str, list[str]] = {tissue: [] for tissue in _WORDS}
    for name in cohort.labels.names:
        tissue = None if name in left_out else tissue_of(name)
        if tissue is not None:
            found[tissue].append(name)
    return {tissue: tuple(names) for tissue, names in found.items() if names}


def tissue_of(name: str) -> str | None:
    """The tissue of a structure by the words in its name, if any."""
    lower = name.lower()
    return next((tissue for tissue, words in _WORDS.items() if any(word in lower for word in words)), None)


def _t1(cohort: Cohort) -> Cohort:
    """The cohort with its one channel under the name that all T1-weighted scans have here."""
    cases = tuple(replace(case, images={CHANNEL: next(iter(case.images.values()))}) for case in cohort.cases)
    return replace(cohort, channels=(CHANNEL,), cases=cases)
