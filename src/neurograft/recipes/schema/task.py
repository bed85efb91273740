"""Recipe section ``task``: what is learnt: the form of the output and the loss."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from neurograft.recipes.schema.adversary import AdversaryConfig
from neurograft.recipes.schema.base import Section, Share

TaskKind = Literal["segmentation", "autoencoding", "masked_autoencoding", "classification"]


class TaskConfig(Section):
    """What is learnt: the form of the output and the loss."""

    kind: TaskKind = "segmentation"
    """``segmentation``: a label for each voxel. The others are there to pre-train: ``autoencoding`` gives a patch
    back, ``masked_autoencoding`` what was hidden of it (both from images alone, labelled or not), and
    ``classification`` says which labels a patch shows."""
    reconstruction_error: Literal["absolute", "squared"] = "absolute"
    """Of both kinds of autoencoding: mean absolute (L1) or mean squared difference of normalised intensities."""
    hidden_share: Share = Field(0.6, gt=0, lt=1)
    """Part of a patch that ``masked_autoencoding`` hides."""
    hidden_cube_voxels: PositiveInt = 8
    """It is hidden in cubes with this side."""
    shown_from_voxels: PositiveInt = 1
    """For ``classification``: a patch shows a label from so many of its voxels on."""
    adversary: AdversaryConfig = AdversaryConfig()
    """For both kinds of autoencoding."""
    output: Literal["softmax", "sigmoid"] = "softmax"
    """``softmax``: one channel a label and one for background; ``sigmoid``: one a label."""
    loss: Literal["dice", "dice_ce", "ce"] = "dice_ce"
    """Soft Dice, Dice and cross-entropy, or cross-entropy alone."""
    class_weights: Literal["none", "median_frequency"] = "none"
    """What a voxel counts in the cross-entropy of a softmax by its class: all the same, or the rarer the more
    (P4), by the frequencies in the training cases."""
    class_weight_limit: float | None = Field(None, gt=1)
    """No class weighs more than so many times what the one with the smallest weight does. Without a limit
    a structure of a few voxels outweighs all else, and a model calls everything near it by its name."""
    class_weight_values: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    """The weights, background first. Training measures them and writes them here."""
    dice_reduction: Literal["batch", "sample"] = "batch"
    dice_smoothing: float = Field(1e-5, gt=0)
    include_background: bool = False
    """Count the background channel in the Dice term (softmax only)."""
    dice_denominator: Literal["sum", "squared"] = "sum"
    """Sums of probabilities in the Dice term's denominator, or sums of their squares (P3's code)."""
    dice_activation: Literal["output", "sigmoid"] = "output"
    """``sigmoid`` takes the Dice term of softmax outputs on one sigmoid a channel, background's
    included, while the cross-entropy stays a softmax's (P3's code)."""
    decision: Literal["most_probable", "channel_threshold"] = "most_probable"
    """For softmax outputs: the most probable class, or one sigmoid a channel, and the most probable
    label among those at or above ``inference.threshold``, whatever background says (P3's code)."""
    deep_supervision_weights: tuple[Annotated[float, Field(ge=0)], ...] = Field((1.0,), min_length=1)
    """Weights of the loss at full resolution and at each of ``network.auxiliary_heads``, finest first."""
    deep_supervision_targets: Literal["downsampled", "upsampled"] = "downsampled"
    """Hold coarse outputs against the down-sampled truth (P3), or repeat them to full size (P3's code)."""
    deep_supervision_normalise: bool = False
    """Divide the weights by their sum."""
    boundary_weight: float = Field(0.0, ge=0)
    """Weight of the boundary loss (Kervadec et al. 2019), of distances in voxels; 0 is without."""
    boundary_weight_schedule: Literal["constant", "rising"] = "rising"
    """``rising`` goes linearly from 0 at the start to the weight at the end of the budget."""
    train: Literal["both", "segmentation", "age"] = "both"
    """Which losses count where the network has an age head. ``age`` alone asks for ``validation.keep:
    last``, because weights are chosen by Dice; freeze the rest with strategy ``freeze(age)``."""
    age_weight: float = Field(0.0, ge=0)
    """Weight of the squared error of age (alpha in P3); 0 learns no age."""
    age_weight_schedule: Literal["constant", "rising"] = "constant"
    age_loss_unit: Literal["sd", "covariate"] = "sd"
    """Take the error of age in standard deviations of the training ages, or in the covariate's unit, as P3 does."""
    age_covariate: str = "age"
    """The cohort's column with the age, or another number."""

    @model_validator(mode="after")
    def _terms_fit(self) -> "TaskConfig":
        if self.output == "sigmoid" and (self.decision, self.dice_activation) != ("most_probable", "output"):
            raise ValueError("task.decision and task.dice_activation are for task.output: softmax; leave them out")
        if self.class_weights != "none" and (self.output != "softmax" or self.loss == "dice"):
            raise ValueError("task.class_weights are of a softmax's cross-entropy; set task.output and task.loss so")
        if self.class_weights == "none" and self.class_weight_limit is not None:
            raise ValueError("task.class_weight_limit is of task.class_weights: median_frequency; set it, or leave it")
        if self.class_weights == "none" and self.class_weight_values is not None:
            raise ValueError("task.class_weight_values are measured; set task.class_weights: median_frequency")
        if self.train == "age" and self.age_weight == 0:
            raise ValueError("task.train: age needs a task.age_weight above 0")
        if not any(self.deep_supervision_weights):
            raise ValueError("task.deep_supervision_weights are all 0, so nothing would be learnt")
        return self

    @model_validator(mode="after")
    def _terms_are_of_the_kind(self) -> "TaskConfig":
        of_segmentation = {
            "deep_supervision_weights": len(self.deep_supervision_weights) > 1,
            "boundary_weight": self.boundary_weight > 0,
            "age_weight": self.age_weight > 0,
            "class_weights": self.class_weights != "none",
        }
        misplaced = [key for key, is_set in of_segmentation.items() if is_set]
        if self.kind != "segmentation" and misplaced:
            raise ValueError(f"task.{misplaced[0]} is for task.kind: segmentation, not {self.kind}; leave it out")
        if self.adversary.weight > 0 and not self.reconstructs:
            raise ValueError(
                "task.adversary judges reconstructions; set task.kind: autoencoding or masked_autoencoding"
            )
        return self

    @property
    def reconstructs(self) -> bool:
        """Whether the outputs are images."""
        return self.kind in ("autoencoding", "masked_autoencoding")

    @property
    def learns_from_labels(self) -> bool:
        """Whether label maps are needed."""
        return not self.reconstructs
