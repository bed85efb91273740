"""neurograft: adapt a brain-MRI segmentation model from a handful of labelled scans."""

__version__ = "0.1.0"
