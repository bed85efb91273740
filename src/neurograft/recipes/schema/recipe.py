"""A recipe whole: its sections, and what must hold between them."""

from pydantic import field_validator, model_validator

from neurograft.recipes.budget import parse_budget
from neurograft.recipes.schema.augmentation import AugmentationConfig
from neurograft.recipes.schema.base import Section
from neurograft.recipes.schema.compute import ComputeConfig
from neurograft.recipes.schema.inference import InferenceConfig
from neurograft.recipes.schema.label_budget import LabelBudgetConfig
from neurograft.recipes.schema.label_quality import LabelQualityConfig
from neurograft.recipes.schema.network import NetworkConfig
from neurograft.recipes.schema.optimiser import OptimiserConfig
from neurograft.recipes.schema.postprocessing import PostprocessingConfig
from neurograft.recipes.schema.preparation import PreparationConfig
from neurograft.recipes.schema.sampling import SamplingConfig
from neurograft.recipes.schema.synthesis import SynthesisConfig
from neurograft.recipes.schema.task import TaskConfig
from neurograft.recipes.schema.validation import ValidationConfig


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
    label_quality: LabelQualityConfig = LabelQualityConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    validation: ValidationConfig = ValidationConfig()
    inference: InferenceConfig = InferenceConfig()
    postprocessing: PostprocessingConfig = PostprocessingConfig()
    compute: ComputeConfig = ComputeConfig()

    @property
    def needs_label_maps(self) -> bool:
        """Whether cases without a label map are of no use: labels are learnt, or images made from them."""
        return self.task.learns_from_labels or self.synthesis.enabled

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
    def _classifiers_classify(self) -> "Recipe":
        of_patches = self.network.name in ("encoder3d", "encoder_classifier2d")
        if of_patches != (self.task.kind == "classification"):
            raise ValueError(
                "task.kind: classification goes with network.name: encoder3d or encoder_classifier2d, and these with "
                f"nothing else; here task.kind is {self.task.kind} and network.name {self.network.name}"
            )
        if self.network.name == "encoder_classifier2d" and self.sampling.batch_size == 1:
            raise ValueError("encoder_classifier2d norms features over a batch; set sampling.batch_size to 2 or more")
        return self

    @model_validator(mode="after")
    def _labels_are_budgeted_where_learnt(self) -> "Recipe":
        if self.task.reconstructs and self.label_budget.axis != "none":
            raise ValueError(
                f"label_budget.axis: {self.label_budget.axis} takes labels away, and task.kind: {self.task.kind} looks "
                "at none; set label_budget.axis: none"
            )
        return self

    @model_validator(mode="after")
    def _slices_have_their_axis(self) -> "Recipe":
        if self.network.slice_axis == "none":
            return self
        directions = ("LR", "AP", "IS")
        if any(code not in either for code, either in zip(self.preparation.orientation, directions, strict=True)):
            raise ValueError(
                f"network.slice_axis: {self.network.slice_axis} needs array axes that run left-right, front-back and "
                "up-down, in this order; set preparation.orientation: RAS"
            )
        return self

    @model_validator(mode="after")
    def _prior_is_read(self) -> "Recipe":
        by_prior = {
            "inference.region: prior": self.inference.region == "prior",
            "postprocessing.largest_by: prior_overlap": self.postprocessing.largest_by == "prior_overlap",
        }
        asked = [key for key, is_set in by_prior.items() if is_set]
        if asked and self.preparation.prior == "none":
            raise ValueError(f"{asked[0]} needs a prior; set preparation.prior: channels")
        if self.preparation.prior != "none" and self.task.reconstructs:
            raise ValueError(f"task.kind: {self.task.kind} gives images back, not a prior; set preparation.prior: none")
        if self.postprocessing.largest_by == "prior_overlap" and self.postprocessing.keep_largest is None:
            raise ValueError("postprocessing.largest_by says which components keep_largest keeps; set it too")
        return self

    @model_validator(mode="after")
    def _voxels_have_their_network(self) -> "Recipe":
        by_voxel = self.sampling.kind == "voxels"
        if by_voxel != (self.network.name == "triplanar"):
            raise ValueError(
                "network.name: triplanar and sampling.kind: voxels belong together, and here network.name is "
                f"{self.network.name} and sampling.kind {self.sampling.kind}"
            )
        if by_voxel and self.sampling.by_quality:
            raise ValueError("sampling.kind: voxels sees every chosen voxel once; leave sampling.by_quality out")
        if by_voxel and self.sampling.patch_size != (1, 1, 1):
            raise ValueError("sampling.kind: voxels answers for one voxel; set sampling.patch_size: [1, 1, 1]")
        if by_voxel and self.inference.window is None:
            raise ValueError("sampling.kind: voxels trains on single ones; set inference.window, such as [48, 48, 48]")
        if by_voxel and (self.task.kind != "segmentation" or self.task.output != "softmax"):
            raise ValueError("sampling.kind: voxels is for task.kind: segmentation with task.output: softmax")
        if not by_voxel and (self.validation.split == "voxel" or self.validation.figure != "dice"):
            raise ValueError("validation.split: voxel and validation.figure are for sampling.kind: voxels")
        if self.validation.split == "voxel":
            if self.validation.figure == "dice":
                raise ValueError("validation.split: voxel holds no whole scan out; set validation.figure: accuracy")
            if not isinstance(self.validation.hold_out, float) or not 0 < self.validation.hold_out < 1:
                raise ValueError("validation.split: voxel needs a share of the voxels in validation.hold_out")
        return self

    @model_validator(mode="after")
    def _images_can_be_made(self) -> "Recipe":
        if not self.synthesis.enabled:
            return self
        if self.preparation.normalisation not in ("none", "zscore", "zscore_nonzero", "percentile"):
            raise ValueError(
                f"synthesis.enabled makes images of every contrast, which preparation.normalisation: "
                f"{self.preparation.normalisation} has no scale for; use zscore_nonzero, zscore, percentile or none"
            )
        if self.preparation.space != "native":
            raise ValueError(
                f"synthesis.enabled makes images where the label maps lie, and preparation.space: "
                f"{self.preparation.space} registers scans; use native, and give the space when you adapt"
            )
        if self.sampling.kind == "voxels":
            raise ValueError(
                "synthesis.enabled makes whole patches, too slow voxel by voxel; write a cohort of images with "
                "neurograft phantom synthetic, or use sampling.kind: patches"
            )
        return self

    @model_validator(mode="after")
    def _percentiles_ordered(self) -> "Recipe":
        lower, upper = self.preparation.percentiles
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"preparation.percentiles must rise within 0 to 100, got {lower}, {upper}")
        return self
