"""Cohorts made from nothing but a seed, in which the truth is known."""

from neurograft.phantoms.midbrain import MidbrainSubject, make_midbrain_cohort, midbrain_subject

__all__ = ["MidbrainSubject", "make_midbrain_cohort", "midbrain_subject"]
