"""What identifies a scan without showing it: an exact hash, and a coarse signature that survives copying.

A bundle carries the fingerprints of the subjects it was trained on, so that a later adaptation
or test can refuse them. Subject identifiers are kept as SHA-256 only. The signature is a
12 x 12 x 12 thumbnail of local contrast, in 8 bits: too coarse to recognise anyone by.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.block_means import block_means
from neurograft.imaging.files import read_image, read_label_map, voxel_hash
from neurograft.imaging.orientation import reorient
from neurograft.imaging.volume import Volume

SIGNATURE_SIDE = 12
_LIMIT_SD = 4.0
"""Standard deviations that 127 stands for."""


@dataclass(frozen=True, eq=False)
class ImageFingerprint:
    """One image: the hash of its voxels, and its signature, int8 of shape (SIGNATURE_SIDE ** 3,)."""

    voxels: str
    signature: NDArray[np.int8]


@dataclass(frozen=True)
class CohortFingerprint:
    """The images of a cohort by hashed subject.

    Attributes:
        name: the cohort's name.
        subjects: images by SHA-256 of the subject's identifier.
        names: the identifiers by hash, where they are known; never written out.
    """

    name: str
    subjects: Mapping[str, tuple[ImageFingerprint, ...]]
    names: Mapping[str, str] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, without identifiers."""
        return {
            "name": self.name,
            "subjects": {
                subject: [
                    {"voxels": image.voxels, "signature": base64.b64encode(image.signature.tobytes()).decode("ascii")}
                    for image in images
                ]
                for subject, images in self.subjects.items()
            },
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "CohortFingerprint":
        """Read what `to_dict` wrote.

        Raises:
            InputError: not such data.
        """
        try:
            subjects = {
                str(subject): tuple(_image_from_dict(image) for image in images)
                for subject, images in content["subjects"].items()
            }
            return cls(str(content["name"]), subjects)
        except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
            raise InputError("not a cohort's fingerprint", "Use a file that neurograft wrote, unchanged") from error


def subject_hash(subject: str) -> str:
    """SHA-256 of a subject's identifier, without BIDS's ``sub-``."""
    return hashlib.sha256(subject.removeprefix("sub-").encode("utf-8")).hexdigest()


def fingerprint_case(case: Case) -> str:
    """The hash of the voxels of a case's first channel.

    Raises:
        InputError: the image cannot be read.
    """
    return voxel_hash(read_image(first_image(case)))


def fingerprint_image(volume: Volume) -> ImageFingerprint:
    """Hash and signature of one image."""
    data, _ = reorient(volume.data, volume.grid, "RAS")
    return ImageFingerprint(voxel_hash(volume), signature(data))


def fingerprint_label_map(volume: Volume) -> ImageFingerprint:
    """Hash of a label map; what all label maps have in common is too much for a signature to tell people apart."""
    return ImageFingerprint(voxel_hash(volume), np.zeros(SIGNATURE_SIDE**3, np.int8))


def fingerprint_cohort(
    cohort: Cohort, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> CohortFingerprint:
    """Read the first channel of every case, or its label map where it has no image, and take its fingerprint.

    Args:
        cohort: the cohort.
        workers: files read at a time; as many volumes are in memory.
        progress: called with the number of cases done and in all.

    Raises:
        InputError: an image cannot be read.
    """

    def of_case(case: Case) -> ImageFingerprint:
        if not case.images and case.label is not None:
            return fingerprint_label_map(read_label_map(case.label))
        return fingerprint_image(read_image(first_image(case)))

    subjects: dict[str, tuple[ImageFingerprint, ...]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for done, (case, image) in enumerate(zip(cohort.cases, pool.map(of_case, cohort.cases), strict=True), start=1):
            key = subject_hash(case.subject)
            subjects[key] = (*subjects.get(key, ()), image)
            if progress:
                progress(done, len(cohort))
    return CohortFingerprint(cohort.name, subjects, {subject_hash(name): name for name in cohort.subjects})


def first_image(case: Case) -> Path:
    """The path of a case's first channel, or of its label map where there is no image."""
    if not case.images and case.label is not None:
        return case.label
    return next(iter(case.images.values()))


def signature(data: NDArray[np.float32]) -> NDArray[np.int8]:
    """Local contrast of a coarse copy of an image, which hardly feels intensity scale, noise and resampling.

    The box around everything above a tenth of the intensity range is averaged into
    12 x 12 x 12 blocks; the mean of each block's 3 x 3 x 3 neighbourhood is taken away, which
    leaves what is the person's own and removes what all heads share.

    Args:
        data: image in RAS, shape (D, H, W).

    Returns:
        int8 of shape (1728,), zero for a constant image.
    """
    image = np.nan_to_num(data.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(image, (0.5, 99.0))
    foreground = image > low + 0.1 * (high - low)
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(foreground.any(axis=others))
        if occupied.size:
            within = np.arange(occupied[0], occupied[-1] + 1)
            image, foreground = image.take(within, axis), foreground.take(within, axis)
    blocks = block_means(np.clip(image, *np.percentile(image, (0.5, 99.5))), SIGNATURE_SIDE)
    blocks = blocks - uniform_filter(blocks, size=3, mode="nearest")
    spread = float(blocks.std())
    if spread <= 1e-6 * max(1.0, float(np.abs(image).max())):
        return np.zeros(SIGNATURE_SIDE**3, np.int8)
    scaled = (blocks - blocks.mean()) / spread * (127 / _LIMIT_SD)
    return np.asarray(np.round(np.clip(scaled, -127, 127)), np.int8).ravel()


def _image_from_dict(content: Mapping[str, str]) -> ImageFingerprint:
    values = np.frombuffer(base64.b64decode(content["signature"], validate=True), np.int8)
    if values.shape != (SIGNATURE_SIDE**3,):
        raise ValueError("signature of another length")
    return ImageFingerprint(str(content["voxels"]), values)
