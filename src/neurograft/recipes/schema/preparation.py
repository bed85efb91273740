"""Recipe section ``preparation``: from the file's voxels to the array that a network sees."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from neurograft.recipes.schema.base import Section
from neurograft.recipes.schema.standard import Standard, StandardConfig


class PreparationConfig(Section):
    """From the file's voxels to the array that a network sees."""

    orientation: str = Field("RAS", pattern="^[RLAPIS]{3}$")
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    """Resample to this spacing; ``None`` keeps the file's own."""
    interpolation: Literal["nearest", "linear", "bspline", "sinc"] = "linear"
    """For images; label maps are always resampled by nearest neighbour."""
    brain: Literal["none", "mask", "template", "command"] = "none"
    """What is taken for the brain; all else becomes zero before anything else. ``none``: scans are without
    skull already, or keep it; ``mask``: the case's mask, which must be there; ``template``: the MNI152
    template's mask, brought to the scan, a rough fallback; ``command``: a program that the environment
    variable NEUROGRAFT_BRAIN_COMMAND names."""
    space: Literal["native", "mni152"] = "native"
    """``mni152``: scans, without skull, are brought to the template's grid (1 mm, or ``spacing_mm``) by affine
    registration; answers come back onto the scan's own grid."""
    crop: Literal["none", "nonzero", "mask", "centre"] = "none"
    """``nonzero``: to the voxels that are not zero; ``mask``: to the case's mask, which is then
    only a region of interest, and what lies around it in the box is kept; ``centre``: to
    ``crop_size`` about the middle of the volume, padded with zeros where it is smaller."""
    crop_size: tuple[PositiveInt | None, PositiveInt | None, PositiveInt | None] | None = None
    """For ``centre``; ``None`` along an axis keeps all of it. A crop that would cut off voxels of a label is
    refused in training."""
    crop_margin_mm: float = Field(0.0, ge=0)
    """Kept around the box of ``nonzero`` and ``mask``, as far as the volume reaches."""
    normalisation: Literal["none", "zscore", "zscore_nonzero", "percentile", "nyul", "histogram"] = "zscore_nonzero"
    """``nyul`` and ``histogram`` bring scans to the intensity scale of ``standard``."""
    percentiles: tuple[float, float] = (1.0, 99.0)
    """Lower and upper percentile for ``percentile`` (clip, then min-max to [0, 1])."""
    standard: Standard = StandardConfig()
    """For ``nyul`` and ``histogram``: the scale, or the path of a file that ``neurograft standardise fit``
    wrote. Without landmarks they are measured on the training subjects."""

    prior: Literal["none", "channels"] = "none"
    """``channels`` gives the network the case's prior (column ``prior``, such as an atlas brought to the scan)
    beside the image, as it is: probabilities are neither normalised nor changed at random."""
    prior_labels: tuple[str, ...] | None = Field(None, min_length=2)
    """Names of the prior's frames, background first; ``None`` reads them from the first case's file."""

    @model_validator(mode="after")
    def _crop_has_its_size(self) -> "PreparationConfig":
        if (self.crop == "centre") != (self.crop_size is not None):
            raise ValueError("preparation.crop_size belongs to preparation.crop: centre; give both or neither")
        return self

    @model_validator(mode="after")
    def _standard_is_of_its_method(self) -> "PreparationConfig":
        measured_for = self.standard.method
        if self.normalisation in ("nyul", "histogram") and measured_for not in (None, self.normalisation):
            raise ValueError(
                f"preparation.standard was measured for {measured_for}, and preparation.normalisation is "
                f"{self.normalisation}; change it, or set preparation.standard={{}} to measure anew"
            )
        return self
