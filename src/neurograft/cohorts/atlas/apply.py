"""An atlas brought to each scan of a cohort: prior files, scores, and a cohort table that names them."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import neurograft
from neurograft.cohorts.atlas.atlas import Atlas
from neurograft.cohorts.atlas.build import channel_path
from neurograft.cohorts.cohort import Case, Cohort
from neurograft.cohorts.derived_tables import write_derived_table
from neurograft.cohorts.fingerprints import fingerprint_cohort
from neurograft.cohorts.leakage import require_disjoint
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, voxel_hash
from neurograft.imaging.frames import write_probabilities
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.registration import NONLINEAR, Registered, RegistrationSettings, register, warp, warp_frames
from neurograft.imaging.volume import Volume
from neurograft.outputs import staged_directory, write_table

logger = logging.getLogger(__name__)

PRIORS, OVERLAYS, TRANSFORMS, SCORES = "priors", "overlays", "transforms", "registrations.tsv"


@dataclass(frozen=True, eq=False)
class AppliedCase:
    """A scan with the atlas on it, for whoever draws a picture.

    Attributes:
        case: whose.
        scan: the channel that was registered.
        frames: float32 (K, *scan shape).
        reference: the atlas's image, in its own space.
        registered: where each point of the scan lies there, with the score.
    """

    case: Case
    scan: Volume
    frames: NDArray[np.float32]
    reference: Volume
    registered: Registered


@dataclass(frozen=True)
class ApplyRequest:
    """What to do.

    Attributes:
        atlas: what is brought.
        cohort: to whose scans.
        out: the folder for priors and table.
        channel: which channel is registered; the first by default.
        settings: of the registration.
        draw: writes a picture of a case to a path ending in ``.png``; none by default.
        allow_shared_subjects: bring the atlas to people whom it was made from too.
        overwrite: replace an earlier result.
    """

    atlas: Atlas
    cohort: Cohort
    out: Path
    channel: str | None = None
    settings: RegistrationSettings = NONLINEAR
    draw: Callable[[Path, AppliedCase], None] | None = None
    allow_shared_subjects: bool = False
    overwrite: bool = False


def apply_atlas(request: ApplyRequest, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Bring an atlas to each scan.

    Writes ``priors/<case>.nii.gz`` (a frame a label on the scan's grid, and ``labels.tsv``),
    ``transforms/<case>.npz``, ``overlays/<case>.png``, ``registrations.tsv``, and ``cohort.tsv``, which
    is the cohort with the column ``prior``.

    Returns:
        A row a case: case, subject, the figures of `RegistrationScore`, seconds, and ``suspicious``: in
        words what is wrong, or nothing.

    Raises:
        InputError: somebody whom the atlas was made from, or a file that cannot be used.
    """
    atlas, cohort = request.atlas, request.cohort
    if not cohort.channels:
        raise InputError("the cohort has no images to bring an atlas to", "Give a cohort of images", cohort.source)
    people = fingerprint_cohort(cohort)
    if atlas.people is not None and not request.allow_shared_subjects:
        try:
            require_disjoint(people, atlas.people, "this cohort", "the people whom the atlas was made from")
        except InputError as error:
            mend = "Build the atlas without them, or pass --allow-shared-subjects where nothing is learnt or scored"
            raise InputError(error.problem, mend, cohort.source) from error
    identity = {
        "people": people.to_dict(),
        "atlas": [voxel_hash(atlas.reference), list(atlas.names), float(atlas.frames.sum(dtype=np.float64))],
        "channel": request.channel,
        "settings": asdict(request.settings),
        "neurograft": neurograft.__version__,
    }
    with staged_directory(request.out, identity, request.overwrite) as folder:
        for name in (PRIORS, OVERLAYS, TRANSFORMS):
            (folder / name).mkdir(exist_ok=True)
        rows, made = [], []
        for number, case in enumerate(cohort.cases, start=1):
            applied = _apply(case, request)
            prior = f"{PRIORS}/{case.id}.nii.gz"
            write_probabilities(folder / prior, applied.frames, applied.scan.grid)
            applied.registered.transform.save(folder / TRANSFORMS / f"{case.id}.npz")
            if request.draw is not None:
                request.draw(folder / OVERLAYS / f"{case.id}.png", applied)
            score = applied.registered.score
            if score.suspicious:
                logger.warning("case %s may be registered wrongly: %s", case.id, score.suspicious)
            seconds = round(applied.registered.seconds, 2)
            whose = {"case": case.id, "subject": case.subject}
            rows.append({**whose, **asdict(score), "seconds": seconds, "suspicious": score.suspicious})
            made.append((case, {"prior": prior}))
            if progress is not None:
                progress(number, len(cohort))
        LabelTable.from_names(dict(enumerate(atlas.names, start=1))).to_tsv(folder / PRIORS / "labels.tsv")
        frame = pd.DataFrame(rows)
        write_table(folder / SCORES, frame)
        write_derived_table(folder, cohort, made)
    return frame


def _apply(case: Case, request: ApplyRequest) -> AppliedCase:
    atlas = request.atlas
    scan = read_image(channel_path(case, request.channel))
    registered = register(scan, atlas.reference, request.settings)
    anywhere = Volume(atlas.frames.sum(axis=0), atlas.grid)
    where = warp(anywhere, registered.transform, scan.grid) > 0
    frames = warp_frames(atlas.frames, atlas.grid, registered.transform, scan.grid, where=where)
    return AppliedCase(case, scan, frames, atlas.reference, registered)
