"""The fields of a recipe, their units and their defaults.

Axes are those of the prepared volume: after reorientation to ``orientation`` ("RAS" unless
changed) the array axes run left to right, posterior to anterior, inferior to superior.
Sizes are in voxels of the prepared volume unless the name carries a unit.
"""

from neurograft.recipes.schema.adversary import AdversaryConfig
from neurograft.recipes.schema.augmentation import AugmentationConfig
from neurograft.recipes.schema.base import Range, Section, Share, Size, Triple
from neurograft.recipes.schema.compute import ComputeConfig
from neurograft.recipes.schema.inference import InferenceConfig
from neurograft.recipes.schema.label_budget import LabelBudgetConfig
from neurograft.recipes.schema.label_quality import LabelQualityConfig
from neurograft.recipes.schema.network import NetworkConfig
from neurograft.recipes.schema.optimiser import OptimiserConfig
from neurograft.recipes.schema.postprocessing import PostprocessingConfig
from neurograft.recipes.schema.preparation import PreparationConfig
from neurograft.recipes.schema.recipe import Recipe
from neurograft.recipes.schema.sampling import SamplingConfig
from neurograft.recipes.schema.standard import StandardConfig
from neurograft.recipes.schema.synthesis import SynthesisConfig
from neurograft.recipes.schema.task import TaskConfig, TaskKind
from neurograft.recipes.schema.validation import ValidationConfig

__all__ = [
    "AdversaryConfig",
    "AugmentationConfig",
    "ComputeConfig",
    "InferenceConfig",
    "LabelBudgetConfig",
    "LabelQualityConfig",
    "NetworkConfig",
    "OptimiserConfig",
    "PostprocessingConfig",
    "PreparationConfig",
    "Range",
    "Recipe",
    "SamplingConfig",
    "Section",
    "Share",
    "Size",
    "StandardConfig",
    "SynthesisConfig",
    "TaskConfig",
    "TaskKind",
    "Triple",
    "ValidationConfig",
]
