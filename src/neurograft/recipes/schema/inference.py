"""Recipe section ``inference``: from a prepared volume to a class per voxel."""

from typing import Literal

from pydantic import Field

from neurograft.recipes.schema.base import Direction, Section, Share, Size


class InferenceConfig(Section):
    """From a prepared volume to a class per voxel."""

    window: Size | None = None
    """Window size; ``None`` takes the training patch size."""
    overlap: Share = Field(0.5, ge=0, lt=1)
    merge: Literal["gaussian", "uniform"] = "gaussian"
    batch_size: int = Field(1, ge=1)
    mirror_axes: tuple[Direction, ...] = ()
    """Windows are also seen mirrored along these, in all combinations, and probabilities averaged; it takes two,
    four or eight times as long. Left-right swaps paired labels. For networks that learnt with flips along them."""
    threshold: Share = Field(0.5, gt=0, lt=1)
    """For sigmoid outputs; softmax outputs are decided by argmax."""
    region: Literal["whole", "oracle", "predicted", "prior"] = "whole"
    """Where to look. ``predicted``: a coarse pass finds the structures, a fine pass segments a box
    around them, and the whole image is taken where the coarse pass is unsure. ``oracle``: a box
    around the true structure (P1), which needs a reference label and flags every result. ``prior``: near
    the voxels in which the prior gives any label a chance (P5); everything else is background."""
    region_size: Size = (128, 128, 128)
    """Of the box; never smaller than a window, and grown where it would cut what the coarse pass found."""
    region_margin: int = Field(8, ge=0)
    """Voxels kept around what the coarse pass found, or around the prior's labels."""
    region_threshold: Share = Field(0.5, gt=0, lt=1)
    """Probability of a label from which on the coarse pass has found it."""
    region_component_share: Share = Field(0.1, ge=0, le=1)
    """A connected component that weighs less than this share of its label's heaviest is not looked at."""
