"""Recipe section ``preparation``: from the file's voxels to the array that a network sees."""

from typing import Literal

from pydantic import Field, PositiveFloat, model_validator

from neurograft.recipes.schema.base import Section, Size


class PreparationConfig(Section):
    """From the file's voxels to the array that a network sees."""

    orientation: str = Field("RAS", pattern="^[RLAPIS]{3}$")
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    """Resample to this spacing; ``None`` keeps the file's own."""
    interpolation: Literal["nearest", "linear", "bspline", "sinc"] = "linear"
    """For images; label maps are always resampled by nearest neighbour."""
    crop: Literal["none", "nonzero", "mask", "centre"] = "none"
    """``nonzero``: to the voxels that are not zero; ``mask``: to the case's mask, which is then
    only a region of interest, and what lies around it in the box is kept; ``centre``: to
    ``crop_size`` about the middle of the volume, padded with zeros where it is smaller."""
    crop_size: Size | None = None
    """For ``centre``; a crop that would cut off voxels of a label is refused in training."""
    crop_margin_mm: float = Field(0.0, ge=0)
    """Kept around the box of ``nonzero`` and ``mask``, as far as the volume reaches."""
    normalisation: Literal["none", "zscore", "zscore_nonzero", "percentile"] = "zscore_nonzero"
    percentiles: tuple[float, float] = (1.0, 99.0)
    """Lower and upper percentile for ``percentile`` (clip, then min-max to [0, 1])."""

    @model_validator(mode="after")
    def _crop_has_its_size(self) -> "PreparationConfig":
        if (self.crop == "centre") != (self.crop_size is not None):
            raise ValueError("preparation.crop_size belongs to preparation.crop: centre; give both or neither")
        return self
