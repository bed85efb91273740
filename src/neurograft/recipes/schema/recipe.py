"""A recipe whole: its sections, and what must hold between them."""

from pydantic import field_validator, model_validator

from neurograft.recipes.budget import parse_budget
from neurograft.recipes.schema.augmentation import AugmentationConfig
from neurograft.recipes.schema.base import Section
from neurograft.recipes.schema.compute import ComputeConfig
from neurograft.recipes.schema.inference import InferenceConfig
from neurograft.recipes.schema.label_budget import LabelBudgetConfig
from neurograft.recipes.schema.network import NetworkConfig
from neurograft.recipes.schema.optimiser import OptimiserConfig
from neurograft.recipes.schema.postprocessing import PostprocessingConfig
from neurograft.recipes.schema.preparation import PreparationConfig
from neurograft.recipes.schema.sampling import SamplingConfig
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
