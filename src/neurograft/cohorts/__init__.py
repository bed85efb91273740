"""Cohorts: subjects with images and labels, how they are divided, and what is wrong with them."""

from neurograft.cohorts.bids import read_bids
from neurograft.cohorts.check import CaseRow, CohortReport, Problem, check_cohort
from neurograft.cohorts.cohort import LABEL_STATES, Case, Cohort, LabelState
from neurograft.cohorts.combining import combine_cohorts
from neurograft.cohorts.decathlon import read_decathlon
from neurograft.cohorts.downloads import fetch_msd_hippocampus
from neurograft.cohorts.fingerprints import (
    CohortFingerprint,
    ImageFingerprint,
    fingerprint_case,
    fingerprint_cohort,
    fingerprint_image,
    subject_hash,
)
from neurograft.cohorts.label_maps import read_label_maps
from neurograft.cohorts.leakage import Overlap, SharedSubject, require_disjoint, shared_with
from neurograft.cohorts.opening import open_cohort
from neurograft.cohorts.scans import open_scans
from neurograft.cohorts.splits import (
    hold_out,
    k_folds,
    ladder_with_second_run,
    leave_one_out,
    nested_subsets,
    repeated_subsets,
)
from neurograft.cohorts.table import read_table

__all__ = [
    "LABEL_STATES",
    "Case",
    "CaseRow",
    "Cohort",
    "CohortFingerprint",
    "CohortReport",
    "ImageFingerprint",
    "LabelState",
    "Overlap",
    "Problem",
    "SharedSubject",
    "check_cohort",
    "combine_cohorts",
    "fetch_msd_hippocampus",
    "fingerprint_case",
    "fingerprint_cohort",
    "fingerprint_image",
    "hold_out",
    "k_folds",
    "ladder_with_second_run",
    "leave_one_out",
    "nested_subsets",
    "open_cohort",
    "open_scans",
    "read_bids",
    "read_decathlon",
    "read_label_maps",
    "read_table",
    "repeated_subsets",
    "require_disjoint",
    "shared_with",
    "subject_hash",
]
