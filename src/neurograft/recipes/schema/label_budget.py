"""Recipe section ``label_budget``: how much of each label map is used."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from neurograft.recipes.schema.base import Section, Share


class LabelBudgetConfig(Section):
    """How much of each label map is used: a few slices, as if nobody had drawn the others.

    Slices are chosen on the file's own grid, before anything is cropped, resampled or augmented,
    from the run's seed and the case's name. What the label maps themselves mark as not annotated
    stays so.
    """

    axis: Literal["none", "sagittal", "coronal", "axial", "random"] = "none"
    """Which way slices are cut; ``random`` draws one of the three for each subject, ``none``
    uses whole label maps."""
    share: Share = Field(0.33, gt=0, le=1)
    """Part of the slices to use, rounded to at least one."""
    slices: PositiveInt | None = None
    """Number of slices to use, in place of ``share``."""
    selection: Literal["random", "even"] = "random"
    """``even`` takes the middles of equal parts."""
    margin: Share = Field(0.1, ge=0, lt=1)
    """Part of the axis that slices are never taken from, half of it at either end."""
    within: Literal["volume", "labels"] = "volume"
    """``labels``: the axis counts from the first to the last slice that shows a label."""
    validation: Literal["budget", "all"] = "budget"
    """Whether subjects that are held out to choose the weights are under the budget too."""
    background_beyond_mm: PositiveFloat | None = None
    """A voxel that was not annotated counts as free of a label when the nearest voxel drawn with
    that label, in the same case, is farther than this; ``None`` assumes nothing. Holds for every
    kind of partial labels."""
