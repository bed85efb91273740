"""The model bundle: a directory with weights, what they mean, and a model card."""

from neurograft.models.builtin import model_folder
from neurograft.models.bundle import AgeInfo, Bundle, BundleInfo, open_bundle, save_bundle
from neurograft.models.volume_range import VolumeRange, volume_ranges

__all__ = [
    "AgeInfo",
    "Bundle",
    "BundleInfo",
    "VolumeRange",
    "model_folder",
    "open_bundle",
    "save_bundle",
    "volume_ranges",
]
