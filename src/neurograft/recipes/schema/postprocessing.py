"""Recipe section ``postprocessing``: filters on connected components, per label; an absent label stays absent."""

from typing import Literal

from pydantic import Field

from neurograft.recipes.schema.base import Section


class PostprocessingConfig(Section):
    """Filters on connected components, per label; an absent label stays absent."""

    connectivity: Literal[6, 18, 26] = 26
    keep_largest: int | None = Field(None, ge=1)
    """Keep this many of the largest components; ``None`` keeps all."""
    min_voxels: int = Field(0, ge=0)
    min_volume_mm3: float = Field(0.0, ge=0)
