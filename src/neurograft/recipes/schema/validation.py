"""Recipe section ``validation``: which subjects are held out of training to choose the weights, and how often."""

from typing import Literal

from pydantic import Field, PositiveInt

from neurograft.recipes.schema.base import Section, Share


class ValidationConfig(Section):
    """Which subjects are held out of training to choose the weights, and how often."""

    hold_out: int | Share | Literal["auto"] = "auto"
    """Subjects (int), share (float) or ``auto``: a fifth, at most eight, from ten subjects
    on, else none.
    With none held out the last weights are kept, and the run says so."""
    split: Literal["subject", "voxel"] = "subject"
    """What is held out: whole subjects, or a share (``hold_out``) of the voxels that ``sampling.kind: voxels``
    chooses in all of them. The second is P5's, and its figures flatter: a voxel's neighbours are trained on."""
    figure: Literal["dice", "accuracy", "loss"] = "dice"
    """What is looked at: the Dice of held-out subjects' segmentations, or, with ``sampling.kind: voxels``, the
    share of held-out voxels that get their label, or their loss."""
    every: PositiveInt | Literal["auto", "epoch"] = "auto"
    """Steps between validations; ``auto`` makes ten of them, ``epoch`` one after each epoch."""
    early_stopping_patience: int | None = Field(None, ge=1)
    """Validations without a better figure before training stops."""
    keep: Literal["best", "last"] = "best"
