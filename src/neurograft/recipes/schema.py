"""The fields of a recipe, their units and their defaults.

Axes are those of the prepared volume: after reorientation to ``orientation`` ("RAS" unless
changed) the array axes run left to right, posterior to anterior, inferior to superior.
Sizes are in voxels of the prepared volume unless the name carries a unit.
"""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from neurograft.recipes.budget import parse_budget

Triple = tuple[float, float, float]
Size = tuple[PositiveInt, PositiveInt, PositiveInt]
Share = float


def _rising(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError("the second number must not be smaller than the first")
    return values


Range = Annotated[tuple[float, float], AfterValidator(_rising)]


class Section(BaseModel):
    """A part of a recipe: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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


class NetworkConfig(Section):
    """A network's architecture. ``name`` is a key of `neurograft.networks.NETWORKS`."""

    name: str = "unet3d"
    channels: tuple[PositiveInt, ...] = Field((16, 32, 64, 128), min_length=2)
    """Feature channels from the finest level to the bottleneck; its length sets the depth."""
    norm: Literal["batch", "instance", "group", "none"] = "instance"
    activation: Literal["relu", "leaky_relu", "prelu", "silu"] = "leaky_relu"
    block_order: Literal["conv-act-norm", "conv-norm-act"] = "conv-norm-act"
    """P1 applies the activation before the norm."""
    upsampling: Literal["transposed", "trilinear"] = "transposed"
    auxiliary_heads: int = Field(0, ge=0)
    """Coarse outputs for deep supervision (``residual_unet3d`` only): that many levels below the
    full one, from the finest down."""
    age_head: Literal["none", "paper", "code"] = "none"
    """A head at the bottleneck that reads the subject's age (``residual_unet3d`` only): as P3's text
    describes it, for any patch, or as its public code has it, for a bottleneck of 4 x 4 x 4."""

    @model_validator(mode="after")
    def _options_exist(self) -> "NetworkConfig":
        if self.name == "unet3d" and (self.auxiliary_heads or self.age_head != "none"):
            raise ValueError("unet3d has no side units; network.auxiliary_heads and age_head are residual_unet3d's")
        if self.name == "residual_unet3d" and self.block_order != "conv-norm-act":
            raise ValueError("residual_unet3d has its norms before its activations: network.block_order: conv-norm-act")
        if self.auxiliary_heads > len(self.channels) - 2:
            raise ValueError(
                f"{len(self.channels)} network.channels leave room for {len(self.channels) - 2} auxiliary_heads"
            )
        return self


class TaskConfig(Section):
    """What is learnt: the form of the output and the loss."""

    output: Literal["softmax", "sigmoid"] = "softmax"
    """``softmax``: one channel a label and one for background; ``sigmoid``: one a label."""
    loss: Literal["dice", "dice_ce"] = "dice_ce"
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
        if self.train == "age" and self.age_weight == 0:
            raise ValueError("task.train: age needs a task.age_weight above 0")
        if not any(self.deep_supervision_weights):
            raise ValueError("task.deep_supervision_weights are all 0, so nothing would be learnt")
        return self


class SamplingConfig(Section):
    """Which patches a training step sees."""

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


class AugmentationConfig(Section):
    """Random changes to each patch; every ``*_probability`` is per patch."""

    rotation_degrees: Triple = (15.0, 15.0, 15.0)
    """Largest rotation about each array axis, drawn uniformly in plus or minus this."""
    rotation_probability: Share = Field(0.5, ge=0, le=1)
    scale: Range = (0.85, 1.2)
    """Zoom factor, one draw per axis."""
    scale_probability: Share = Field(0.3, ge=0, le=1)
    translation_voxels: Triple = (0.0, 0.0, 0.0)
    translation_probability: Share = Field(1.0, ge=0, le=1)
    flip_axes: tuple[Literal["left-right", "anterior-posterior", "inferior-superior"], ...] = ()
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


class OptimiserConfig(Section):
    """How weights move."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-5, ge=0)
    momentum: float = Field(0.99, ge=0, lt=1)
    """SGD only, with Nesterov's step."""
    schedule: Literal["constant", "poly", "cosine", "plateau"] = "poly"
    poly_exponent: float = Field(0.9, gt=0)
    warmup_steps: int = Field(0, ge=0)
    plateau_factor: float = Field(0.1, gt=0, lt=1)
    plateau_patience: int = Field(5, ge=1)
    """Validations without a better figure before the rate is multiplied by the factor."""
    gradient_clip: float | None = Field(12.0, gt=0)
    """Largest norm of the gradient."""
    age_learning_rate: float | None = Field(None, gt=0)
    """Of the age head; ``None`` is ``learning_rate``. The strategy's factor and the schedule apply to both."""


class ValidationConfig(Section):
    """Which subjects are held out of training to choose the weights, and how often."""

    hold_out: int | Share | Literal["auto"] = "auto"
    """Subjects (int), share (float) or ``auto``: a fifth, at most eight, from ten subjects
    on, else none.
    With none held out the last weights are kept, and the run says so."""
    every: PositiveInt | Literal["auto"] = "auto"
    """Steps between validations; ``auto`` makes ten of them."""
    early_stopping_patience: int | None = Field(None, ge=1)
    """Validations without a better figure before training stops."""
    keep: Literal["best", "last"] = "best"


class InferenceConfig(Section):
    """From a prepared volume to a class per voxel."""

    window: Size | None = None
    """Window size; ``None`` takes the training patch size."""
    overlap: Share = Field(0.5, ge=0, lt=1)
    merge: Literal["gaussian", "uniform"] = "gaussian"
    batch_size: int = Field(1, ge=1)
    threshold: Share = Field(0.5, gt=0, lt=1)
    """For sigmoid outputs; softmax outputs are decided by argmax."""
    region: Literal["whole", "oracle", "predicted"] = "whole"
    """Where to look. ``predicted``: a coarse pass finds the structures, a fine pass segments a box
    around them, and the whole image is taken where the coarse pass is unsure. ``oracle``: a box
    around the true structure (P1), which needs a reference label and flags every result."""
    region_size: Size = (128, 128, 128)
    """Of the box; never smaller than a window, and grown where it would cut what the coarse pass found."""
    region_margin: int = Field(8, ge=0)
    """Voxels kept around what the coarse pass found."""
    region_threshold: Share = Field(0.5, gt=0, lt=1)
    """Probability of a label from which on the coarse pass has found it."""
    region_component_share: Share = Field(0.1, ge=0, le=1)
    """A connected component that weighs less than this share of its label's heaviest is not looked at."""


class PostprocessingConfig(Section):
    """Filters on connected components, per label; an absent label stays absent."""

    connectivity: Literal[6, 18, 26] = 26
    keep_largest: int | None = Field(None, ge=1)
    """Keep this many of the largest components; ``None`` keeps all."""
    min_voxels: int = Field(0, ge=0)
    min_volume_mm3: float = Field(0.0, ge=0)


class ComputeConfig(Section):
    """What the machine does; ``auto`` leaves it to a short measurement, kept for the next time."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``bf16`` is mixed precision: weights stay in fp32."""
    channels_last: bool | Literal["auto"] = "auto"
    threads: PositiveInt | Literal["auto"] = "auto"


class Recipe(Section):
    """Everything that decides a training, but for its data, its seed and its strategy."""

    description: str = ""
    labels: tuple[str, ...] | dict[str, tuple[str, ...]] | None = None
    """Label names to learn; a mapping merges several under one name; ``None`` is all."""
    budget: str = "1000steps"
    """Steps, epochs or time, such as 2000steps, 60epochs, 90s, 10min or 1.5h."""
    preparation: PreparationConfig = PreparationConfig()
    network: NetworkConfig = NetworkConfig()
    task: TaskConfig = TaskConfig()
    sampling: SamplingConfig = SamplingConfig()
    label_budget: LabelBudgetConfig = LabelBudgetConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    validation: ValidationConfig = ValidationConfig()
    inference: InferenceConfig = InferenceConfig()
    postprocessing: PostprocessingConfig = PostprocessingConfig()
    compute: ComputeConfig = ComputeConfig()

    @field_validator("budget")
    @classmethod
    def _budget_understood(cls, text: str) -> str:
        parse_budget(text)
        return text

    @model_validator(mode="after")
    def _outputs_are_there(self) -> "Recipe":
        scales = len(self.task.deep_supervision_weights)
        if scales > 1 + self.network.auxiliary_heads:
            raise ValueError(
                f"task.deep_supervision_weights has {scales} weights, and the network gives "
                f"{1 + self.network.auxiliary_heads} outputs; set network.auxiliary_heads"
            )
        if self.task.age_weight > 0 and self.network.age_head == "none":
            raise ValueError("task.age_weight needs a head that says the age; set network.age_head")
        if self.task.train == "age" and (
            self.validation.keep == "best"
            or self.validation.early_stopping_patience is not None
            or self.optimiser.schedule == "plateau"
        ):
            raise ValueError(
                "task.train: age has no Dice to go by; set validation.keep: last, and neither "
                "early_stopping_patience nor optimiser.schedule: plateau"
            )
        if self.network.age_head == "code":
            side = 4 * 2 ** (len(self.network.channels) - 1)
            for size in (self.sampling.patch_size, self.inference.window or self.sampling.patch_size):
                if any(not side - side // 4 < length <= side for length in size):
                    raise ValueError(
                        f"network.age_head: code needs patches and windows of {side} voxels on "
                        f"{len(self.network.channels)} levels, got {' x '.join(map(str, size))}"
                    )
        return self

    @model_validator(mode="after")
    def _percentiles_ordered(self) -> "Recipe":
        lower, upper = self.preparation.percentiles
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"preparation.percentiles must rise within 0 to 100, got {lower}, {upper}")
        return self
