"""The model bundle: a directory with weights, what they mean, and a model card."""

from neurograft.models.bundle import Bundle, BundleInfo, open_bundle, save_bundle

__all__ = ["Bundle", "BundleInfo", "open_bundle", "save_bundle"]
