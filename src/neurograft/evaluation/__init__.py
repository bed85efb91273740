"""Pure functions that measure a segmentation: arrays and tables in, numbers out."""
