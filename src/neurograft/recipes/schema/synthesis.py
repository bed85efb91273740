"""Recipe section ``synthesis``: images made from label maps while training runs."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator

from neurograft.recipes.schema.base import Range, Section, Share


def _not_negative(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] < 0:
        raise ValueError("no number may be negative")
    return values


PositiveRange = Annotated[Range, AfterValidator(_not_negative)]


class SynthesisConfig(Section):
    """Images made from label maps while training runs; every ``*_probability`` is per patch.

    Geometry is the section ``augmentation``'s, and so are changes of intensity that come on top: both
    act on real and on made images. Intensities here are those of the image before it is normalised, in
    which white matter of the T1-like look is 1. Lengths are in millimetres.
    """

    enabled: bool = False
    """Make the images of training patches, and of held-out cases, from the label maps of the cohort.
    Images that the cohort has besides are not looked at."""
    channels: tuple[str, ...] = Field(("image",), min_length=1)
    """Names of the image channels to make, each with intensities of its own."""
    look: Literal["domain-random", "t1", "mixed"] = "domain-random"
    """``domain-random``: any contrast; ``t1``: means drawn about those of a hand-made T1-like table;
    ``mixed``: a T1-like patch with ``t1_probability``."""
    t1_probability: Share = Field(0.5, ge=0, le=1)
    t1_first_steps: NonNegativeInt = 0
    """Steps at the start of a training whose patches are all T1-like: where structures lie is learnt sooner
    from one look, and other looks then build on it. Nothing where the look is ``domain-random``."""
    t1_mean_std: float = Field(0.05, ge=0)
    """Standard deviation of a class's mean about its mean in the table."""
    t1_std: PositiveRange = (0.01, 0.05)
    """Standard deviation of intensities inside a class, for a T1-like look."""
    means: dict[str, float] = Field(default_factory=dict)
    """Means of the T1-like look by structure, without side, in place of the table's; thus any other
    given look."""
    mean: PositiveRange = (0.05, 1.0)
    """Mean of a class, for any contrast."""
    std: PositiveRange = (0.01, 0.1)
    """Standard deviation of intensities inside a class, for any contrast."""
    sides_differ_probability: Share = Field(0.1, ge=0, le=1)
    """Chance that left and right of a structure have intensities of their own."""
    zero_air_probability: Share = Field(0.5, ge=0, le=1)
    """Chance that the air around the head is exactly 0, and not noise."""
    lesion_probability: Share = Field(0.0, ge=0, le=1)
    """Chance of lesions in white matter; they change the image and not the labels."""
    lesions: tuple[PositiveInt, PositiveInt] = (1, 12)
    """Fewest and most lesions of such a patch."""
    lesion_radius_mm: PositiveRange = (1.0, 5.0)
    blur_sigma_mm: PositiveRange = (0.2, 0.9)
    """Gaussian blur along each axis, for the partial volume of neighbouring tissues."""
    bias_probability: Share = Field(0.7, ge=0, le=1)
    bias_log_std: PositiveRange = (0.0, 0.3)
    """Standard deviation of the logarithm of a smooth field that the image is multiplied with."""
    bias_spacing_mm: float = Field(50.0, gt=0)
    """Distance between the field's control points."""
    gamma_probability: Share = Field(0.5, ge=0, le=1)
    gamma: PositiveRange = (0.7, 1.4)
    low_resolution_probability: Share = Field(0.4, ge=0, le=1)
    low_resolution_axes: tuple[Literal[1, 3], ...] = Field((1, 1, 1, 3), min_length=1)
    """Along how many axes resolution is low, one of these for each patch: thick slices, or large voxels."""
    low_resolution_mm: PositiveRange = (1.5, 6.0)
    """Distance and thickness of slices; the side of large voxels comes from the lower third of the range."""
    noise_probability: Share = Field(0.9, ge=0, le=1)
    noise_std: PositiveRange = (0.0, 0.06)
    ringing_probability: Share = Field(0.05, ge=0, le=1)
    ringing_share: PositiveRange = (0.4, 0.8)
    """Part of the spatial frequencies along an axis that are left."""
    ghost_probability: Share = Field(0.05, ge=0, le=1)
    ghost_strength: PositiveRange = (0.03, 0.15)
    """Of one shifted copy of the patch, as motion leaves them along an axis."""
    strip_probability: Share = Field(0.5, ge=0, le=1)
    """Chance that all but the brain is 0."""
    strip_border_mm: Range = (-1.0, 3.0)
    """How far the border of a stripped brain lies outside of it."""
    partial_view_probability: Share = Field(0.1, ge=0, le=1)
    partial_view_share: PositiveRange = (0.1, 0.4)
    """Part of the patch, at one of its sides, that lies outside of the field of view: 0, and background."""
    tight_view_probability: Share = Field(0.0, ge=0, le=1)
    """Chance that the scan is a tight crop: a small box of the patch and nothing else. It is normalised by what
    it shows alone, and its darkest voxel stands around it, as a small scan is padded when it is segmented. In
    training only: images that are written down are whole."""
    tight_view_mm: PositiveRange = (30.0, 80.0)
    """Shortest and longest side of such a box; the patch limits it."""

    @model_validator(mode="after")
    def _ranges_possible(self) -> "SynthesisConfig":
        if self.lesions[0] > self.lesions[1]:
            raise ValueError("synthesis.lesions: the second number must not be smaller than the first")
        for name in ("ringing_share", "partial_view_share"):
            if getattr(self, name)[1] > 1:
                raise ValueError(f"synthesis.{name} is a part of the whole, at most 1")
        if self.gamma[0] == 0 or self.ringing_share[0] == 0:
            raise ValueError("synthesis.gamma and synthesis.ringing_share must be above 0")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError(f"synthesis.channels names one channel twice: {', '.join(self.channels)}")
        if any(mean < 0 for mean in self.means.values()):
            raise ValueError("synthesis.means must not be negative")
        return self
