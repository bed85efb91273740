"""Recipe section ``sampling``: which patches a training step sees."""

from typing import Literal

from pydantic import Field

from neurograft.recipes.schema.base import Section, Share, Size


class SamplingConfig(Section):
    """Which patches a training step sees."""

    kind: Literal["patches", "voxels"] = "patches"
    """``patches`` are drawn anew for every step; ``voxels``, for networks that answer for one, are all of the
    structures' and as many from around them, each once an epoch (P5)."""
    patch_size: Size = (64, 64, 64)
    batch_size: int = Field(2, ge=1)
    target_probability: Share = Field(0.5, ge=0, le=1)
    """Chance that a patch is placed to contain a voxel of the target."""
    annotated_probability: Share = Field(1.0, ge=0, le=1)
    """In a case of which only a part is annotated: chance that a patch which was not placed on
    the target is placed to contain an annotated voxel. The others lie anywhere, and a patch
    without any annotated voxel teaches nothing."""
    patches_per_subject: float = Field(1.0, gt=0)
    """Patches per training subject that make one epoch."""
    by_quality: bool = False
    """For ``patches``: draw a subject with a chance in proportion to the quality of its labels (column
    ``label_quality`` of the cohort, 0 to 1), not each with the same."""
    shell_voxels: int = Field(5, ge=0)
    """For ``voxels``: negatives lie at most so many steps from a structure; 0 takes them from everywhere."""
