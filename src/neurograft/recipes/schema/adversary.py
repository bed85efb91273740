"""Recipe section ``task.adversary``: a discriminator that tells reconstructions from images."""

from typing import Literal

from pydantic import Field, PositiveInt

from neurograft.recipes.schema.base import Section, Share


class AdversaryConfig(Section):
    """A discriminator that tells reconstructions from images. P4's values, where it gives them."""

    weight: Share = Field(0.0, ge=0, lt=1)
    """Share of the adversarial term in the loss, the reconstruction error's being the rest; 0 is without
    (P4: 0.004)."""
    from_step: int = Field(0, ge=0)
    """The step from which the discriminator learns and its term counts (P4: 26000)."""
    channels: tuple[PositiveInt, ...] = Field((64, 128, 256, 512), min_length=4, max_length=4)
    """Feature channels of the discriminator's layers but the last, which has one."""
    first_stride: Literal[1, 4] = 1
    """Of the first layer: 1 in P4's text, 4 in the public code that it builds on."""
    learning_rate: float = Field(1e-5, gt=0)
    """Of the discriminator's own gradient descent."""
    weight_decay: float = Field(2e-5, ge=0)
    """Of the same: ten times that of the network in the public code."""
    real_label: float = Field(0.9, gt=0.5, le=1)
    """What the discriminator shall answer to a real image; 0 is for a reconstruction."""
    noise_std: float = Field(0.1, ge=0)
    """Noise on all that the discriminator sees; falls linearly to none at the end of the budget."""
