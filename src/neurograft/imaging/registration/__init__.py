"""Bring one scan onto another: affine, then non-linear, with a score that tells when it went wrong."""

from neurograft.imaging.registration.register import NONLINEAR, Registered, RegistrationSettings, register
from neurograft.imaging.registration.score import RegistrationScore, score_registration
from neurograft.imaging.registration.transform import SpatialTransform, warp, warp_classes, warp_frames

__all__ = [
    "NONLINEAR",
    "Registered",
    "RegistrationScore",
    "RegistrationSettings",
    "SpatialTransform",
    "register",
    "score_registration",
    "warp",
    "warp_classes",
    "warp_frames",
]
