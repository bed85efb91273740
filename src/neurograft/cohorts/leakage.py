"""Refusing people who are on both sides: shared, renamed or nearly copied scans."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurograft.cohorts.fingerprints import CohortFingerprint, ImageFingerprint
from neurograft.errors import InputError

NEAR_DUPLICATE_CORRELATION = 0.96
"""Correlation of two signatures above which one image is taken for a copy of the other.

Measured on the Decathlon's hippocampus crops and the skull-stripped brains of the MICCAI 2012
challenge. Different people stay below 0.68 (crops) and 0.90 (brains), where block means without
the neighbourhood taken away reach 0.99. Rescaled copies with 1 % noise stay above 0.999, copies
resampled from 1 mm to 0.8 mm above 0.97; of those resampled to 1.2 mm some fall to 0.93 and escape,
as do mirrored and cropped copies.
"""


@dataclass(frozen=True)
class SharedSubject:
    """One person found on both sides.

    Attributes:
        name: the identifier on whichever side knows it, or the first digits of its hash.
        other_name: the identifier on the other side, likewise.
        how: what gave it away.
    """

    name: str
    other_name: str
    how: str


@dataclass(frozen=True)
class Overlap:
    """Everybody found on both sides; false when nobody is."""

    subjects: tuple[SharedSubject, ...]

    def __bool__(self) -> bool:
        return bool(self.subjects)


def shared_with(a: CohortFingerprint, b: CohortFingerprint) -> Overlap:
    """Find the people of `a` in `b`.

    People are compared by the content of their images and, within one cohort name, by identifier.
    """
    found: dict[tuple[str, str], str] = {}
    if a.name == b.name:
        for subject in a.subjects:
            if subject in b.subjects:
                found[subject, subject] = "same subject identifier"
    owners_a, images_a = _flatten(a)
    owners_b, images_b = _flatten(b)
    by_hash: dict[str, list[str]] = {}
    for owner, image in zip(owners_b, images_b, strict=True):
        by_hash.setdefault(image.voxels, []).append(owner)
    for owner, image in zip(owners_a, images_a, strict=True):
        for other in by_hash.get(image.voxels, []):
            found.setdefault((owner, other), "the same image")
    for row, column, correlation in near_duplicates(images_a, images_b):
        found.setdefault((owners_a[row], owners_b[column]), f"nearly the same image, correlation {correlation:.3f}")
    return Overlap(
        tuple(SharedSubject(_name(mine, a, b), _name(other, b, a), how) for (mine, other), how in found.items())
    )


def require_disjoint(a: CohortFingerprint, b: CohortFingerprint, what_a: str, what_b: str) -> None:
    """Refuse two sets that share people.

    Args:
        a: one side.
        b: the other.
        what_a: what the first side is, e.g. "the source model's training subjects".
        what_b: what the second is.

    Raises:
        InputError: somebody is on both sides.
    """
    overlap = shared_with(a, b)
    if not overlap:
        return
    lines = [
        f"{shared.name} ({shared.how}{'' if shared.name == shared.other_name else f', there {shared.other_name}'})"
        for shared in overlap.subjects
    ]
    more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
    raise InputError(
        f"{len(lines)} subject{'s' if len(lines) > 1 else ''} of {what_a} also among {what_b}: "
        f"{'; '.join(lines[:10])}{more}",
        "Remove them from one side: a score on people already seen says nothing about new ones",
    )


def near_duplicates(a: Sequence[ImageFingerprint], b: Sequence[ImageFingerprint]) -> list[tuple[int, int, float]]:
    """Pairs (index in a, index in b, correlation) whose signatures correlate beyond the threshold."""
    if not a or not b:
        return []
    correlations = _normalised(a) @ _normalised(b).T
    rows, columns = np.nonzero(correlations > NEAR_DUPLICATE_CORRELATION)
    return [
        (int(row), int(column), float(correlations[row, column])) for row, column in zip(rows, columns, strict=True)
    ]


def _normalised(images: Sequence[ImageFingerprint]) -> NDArray[np.float32]:
    signatures = np.stack([image.signature for image in images]).astype(np.float32)
    signatures -= signatures.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(signatures, axis=1, keepdims=True)
    return np.asarray(signatures / np.where(lengths > 0, lengths, 1.0), np.float32)


def _flatten(fingerprint: CohortFingerprint) -> tuple[list[str], list[ImageFingerprint]]:
    pairs = [(subject, image) for subject, images in fingerprint.subjects.items() for image in images]
    return [subject for subject, _ in pairs], [image for _, image in pairs]


def _name(subject: str, own: CohortFingerprint, other: CohortFingerprint) -> str:
    """The identifier where either side knows the hash, else the hash's first digits."""
    return own.names.get(subject) or other.names.get(subject) or f"hash {subject[:8]}"
