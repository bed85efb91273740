"""What to measure, and by which rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from neurograft.evaluation.lesions.matching import MatchPolicy
from neurograft.evaluation.overlap.slices import SlicePolicy
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.surfaces.distances import SurfaceDefinition

BOTH_SURFACES: tuple[SurfaceDefinition, ...] = ("voxel", "element")


@dataclass(frozen=True)
class ScoringOptions:
    """What `neurograft.scoring.run.score_files` computes.

    Attributes:
        policies: what an empty mask, a missing or extra prediction, and another grid mean.
        surfaces: definitions of the surface for which distances are measured; may be empty.
        tolerance_mm: of the surface Dice.
        labels: names of what to score; all when empty.
        groups: further unions of labels by name; those of left and right are made anyway.
        slices: score axial slices too, as P4 does, by this policy for slices without the label;
            ``None`` leaves them out.
        lesions: labels whose connected components are lesions to be detected.
        lesion_matching: which lesions of both sides belong together.
        lesion_cutoff: share (or IoU, one to one) that must be exceeded.
        biomarkers: measure intensities in the images, where there are images.
        contrast_wanted: whether a missing reference region is a flaw.
        reference_region: name of the label that is the reference region of contrast ratios, where
            the cohort has no column for it.
        level: coverage of intervals.
        draws: bootstrap resamples.
        seed: of the bootstrap.
        workers: processes that read and measure; 1 stays in this one, 0 takes as many as serve.
    """

    policies: Policies = field(default_factory=Policies)
    surfaces: tuple[SurfaceDefinition, ...] = ()
    tolerance_mm: float = 1.0
    labels: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slices: SlicePolicy | None = None
    lesions: tuple[str, ...] = ()
    lesion_matching: MatchPolicy = "any-overlap"
    lesion_cutoff: float = 0.0
    biomarkers: bool = False
    contrast_wanted: bool = False
    reference_region: str | None = None
    level: float = 0.95
    draws: int = 10_000
    seed: int = 0
    workers: int = 1
