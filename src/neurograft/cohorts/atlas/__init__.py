"""Probabilistic atlases: built from labelled people, brought to other people's scans."""

from neurograft.cohorts.atlas.apply import AppliedCase, ApplyRequest, apply_atlas
from neurograft.cohorts.atlas.atlas import Atlas, open_atlas
from neurograft.cohorts.atlas.build import BuildRequest, build_atlas

__all__ = ["AppliedCase", "ApplyRequest", "Atlas", "BuildRequest", "apply_atlas", "build_atlas", "open_atlas"]
