"""Cohorts made from nothing but a seed, in which the truth is known."""

from neurograft.phantoms.ageing import make_ageing_cohort
from neurograft.phantoms.ageing_subject import AgeingSubject, ageing_subject
from neurograft.phantoms.lesion_subject import LesionSubject, lesion_subject
from neurograft.phantoms.lesions import make_lesion_cohort
from neurograft.phantoms.midbrain import MidbrainSubject, make_midbrain_cohort, midbrain_subject
from neurograft.phantoms.susceptibility import make_susceptibility_cohort
from neurograft.phantoms.susceptibility_subject import SusceptibilitySubject, susceptibility_subject

__all__ = [
    "AgeingSubject",
    "LesionSubject",
    "MidbrainSubject",
    "SusceptibilitySubject",
    "ageing_subject",
    "lesion_subject",
    "make_ageing_cohort",
    "make_lesion_cohort",
    "make_midbrain_cohort",
    "make_susceptibility_cohort",
    "midbrain_subject",
    "susceptibility_subject",
]
