"""Fitting a model: one run from a cohort to a bundle, resumable after any interruption."""
