"""One scan onto another, from start to score, and remembered."""

import hashlib
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import SimpleITK

from neurograft.errors import InputError
from neurograft.imaging.files import voxel_hash
from neurograft.imaging.registration.affine import affine_registration
from neurograft.imaging.registration.demons import demons_displacement
from neurograft.imaging.registration.score import RegistrationScore, score_registration
from neurograft.imaging.registration.transform import SpatialTransform
from neurograft.imaging.registration.working_images import working_volume
from neurograft.imaging.volume import Volume
from neurograft.outputs import cache_folder

logger = logging.getLogger(__name__)

_METHOD_VERSION = 1
"""Raised when the method changes, so that what an older one found is not used."""


@dataclass(frozen=True)
class RegistrationSettings:
    """How to register.

    Attributes:
        kind: ``affine``, or ``nonlinear`` for an affine map with diffeomorphic demons after it.
        spacing_mm: voxel size at which scans are compared.
        iterations: of the demons, coarsest level first.
        smoothing_voxels: of the demons' field.
        skull: the moving or the fixed scan shows a head: several starts are tried.
    """

    kind: Literal["affine", "nonlinear"] = "nonlinear"
    spacing_mm: float = 2.0
    iterations: tuple[int, ...] = (60, 40, 20)
    smoothing_voxels: float = 1.5
    skull: bool = False


NONLINEAR = RegistrationSettings()
"""Affine and non-linear at 2 mm, for brains without skull."""


@dataclass(frozen=True)
class Registered:
    """A transform with its score and the seconds it took; 0 where it was remembered."""

    transform: SpatialTransform
    score: RegistrationScore
    seconds: float


def register(
    fixed: Volume, moving: Volume, settings: RegistrationSettings | None = None, cached: bool = True
) -> Registered:
    """Register a moving scan to a fixed one.

    Deterministic: the same scans and settings give the same transform, to the last bit of an affine map.

    Args:
        fixed: one channel.
        moving: one channel of the same contrast, where the registration is not affine only.
        settings: by default affine and non-linear at 2 mm.
        cached: remember the transform under the hash of both scans and the settings.

    Raises:
        InputError: a scan without contrast, or two between which no map can be found.
    """
    settings = settings or NONLINEAR
    start = time.monotonic()
    here, there = working_volume(fixed, settings.spacing_mm), working_volume(moving, settings.spacing_mm)
    kept = _kept(fixed, moving, settings)
    if cached and kept.is_file():
        try:
            transform = SpatialTransform.load(kept)
            return Registered(transform, score_registration(here, there, transform), 0.0)
        except InputError as error:
            logger.warning("%s; it is registered anew", error)
    try:
        affine = affine_registration(here, there, several=settings.skull)
        transform = SpatialTransform(affine)
        if settings.kind == "nonlinear":
            field = demons_displacement(here, there, affine, settings.iterations, settings.smoothing_voxels)
            transform = SpatialTransform(affine, field, here.grid)
    except RuntimeError as error:  # SimpleITK raises nothing finer
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"the registration to {moving.path or 'the template'} failed: {reason}",
            "Check that both show the same part of the body",
            fixed.path,
        ) from error
    if cached:
        transform.save(kept)
    return Registered(transform, score_registration(here, there, transform), time.monotonic() - start)


def _kept(fixed: Volume, moving: Volume, settings: RegistrationSettings) -> Path:
    digest = hashlib.sha256()
    for volume in (fixed, moving):
        digest.update(voxel_hash(volume).encode())
        digest.update(volume.grid.affine.round(6).tobytes())
    digest.update(repr((sorted(asdict(settings).items()), _METHOD_VERSION)).encode())
    digest.update(SimpleITK.Version_VersionString().encode())
    return cache_folder() / "registrations" / f"{digest.hexdigest()[:32]}.npz"
