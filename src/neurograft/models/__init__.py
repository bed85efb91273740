"""The model bundle: a directory with weights, what they mean, and a model card."""

from neurograft.models.bundle import AgeInfo, Bundle, BundleInfo, open_bundle, save_bundle

__all__ = ["AgeInfo", "Bundle", "BundleInfo", "open_bundle", "save_bundle"]
