"""Intensity scales that are measured on one cohort and applied to any."""

from neurograft.imaging.standardisation.histogram_matching import match_quantiles
from neurograft.imaging.standardisation.landmarks import foreground_of, percentile_landmarks
from neurograft.imaging.standardisation.nyul import average_landmarks, map_landmarks
from neurograft.imaging.standardisation.standard import measure_standard, resolved_percentiles, standardise

__all__ = [
    "average_landmarks",
    "foreground_of",
    "map_landmarks",
    "match_quantiles",
    "measure_standard",
    "percentile_landmarks",
    "resolved_percentiles",
    "standardise",
]
