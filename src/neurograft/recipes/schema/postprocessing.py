"""Recipe section ``postprocessing``: filters on connected components, per label; an absent label stays absent."""

from typing import Literal

from pydantic import Field

from neurograft.recipes.schema.base import Section


class PostprocessingConfig(Section):
    """Filters on connected components, per label; an absent label stays absent."""

    connectivity: Literal[6, 18, 26] = 26
    keep_largest: int | None = Field(None, ge=1)
    """Keep this many of the largest components; ``None`` keeps all."""
    largest_by: Literal["voxels", "prior_overlap"] = "voxels"
    """What makes a component large: its voxels, or those near the prior's labels; a component without any is
    dropped (P5's code)."""
    prior_margin: int = Field(5, ge=0)
    """Steps, face to face, from a voxel to which the prior gives a label that still are near it."""
    min_voxels: int = Field(0, ge=0)
    """Of the scan, where one is segmented; of the prepared grid in validation while training runs."""
    min_volume_mm3: float = Field(0.0, ge=0)
