"""Recipe section ``augmentation``: random changes to each patch; every ``*_probability`` is per patch."""

from pydantic import Field, ValidationInfo, field_validator

from neurograft.recipes.schema.base import Direction, Range, Section, Share, Triple


class AugmentationConfig(Section):
    """Random changes to each patch; every ``*_probability`` is per patch."""

    rotation_degrees: Triple = (15.0, 15.0, 15.0)
    """Largest rotation about each array axis, drawn uniformly in plus or minus this."""
    rotation_probability: Share = Field(0.5, ge=0, le=1)
    scale: Range = (0.85, 1.2)
    """Zoom factor, one draw per axis."""
    scale_probability: Share = Field(0.3, ge=0, le=1)
    shear_degrees: Triple = (0.0, 0.0, 0.0)
    """Largest shear of each array axis against the next (the first comes after the last), drawn uniformly in
    plus or minus this; below 45."""
    shear_probability: Share = Field(1.0, ge=0, le=1)
    translation_voxels: Triple = (0.0, 0.0, 0.0)
    translation_probability: Share = Field(1.0, ge=0, le=1)
    flip_axes: tuple[Direction, ...] = ()
    """Each is flipped with ``flip_probability``; left-right swaps paired labels."""
    flip_probability: Share = Field(0.5, ge=0, le=1)
    elastic_displacement_voxels: float = Field(3.0, ge=0)
    """Standard deviation of the displacement at the control points."""
    elastic_spacing_voxels: float = Field(16.0, gt=0)
    """Distance between control points."""
    elastic_probability: Share = Field(0.3, ge=0, le=1)
    noise_std: Range = (0.0, 0.1)
    noise_probability: Share = Field(0.2, ge=0, le=1)
    blur_sigma_voxels: Range = (0.5, 1.0)
    blur_probability: Share = Field(0.15, ge=0, le=1)
    intensity_scale: Range = (0.8, 1.25)
    intensity_scale_probability: Share = Field(0.3, ge=0, le=1)
    intensity_shift: Range = (-0.2, 0.2)
    """Added, in units of the normalised image."""
    intensity_shift_probability: Share = Field(0.3, ge=0, le=1)
    gamma: Range = (0.7, 1.5)
    gamma_probability: Share = Field(0.3, ge=0, le=1)

    @field_validator("gamma", "scale")
    @classmethod
    def _is_above_zero(cls, ends: Range, info: ValidationInfo) -> Range:
        if min(ends) <= 0:
            raise ValueError(f"both ends of augmentation.{info.field_name} must be above 0")
        return ends

    @field_validator("shear_degrees")
    @classmethod
    def _shear_can_be_undone(cls, degrees: Triple) -> Triple:
        if any(not 0 <= angle < 45 for angle in degrees):
            raise ValueError("each of augmentation.shear_degrees must lie from 0 to below 45")
        return degrees
