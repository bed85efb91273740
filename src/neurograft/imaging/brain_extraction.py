"""Brain masks for scans that still show the skull: by the template, or by a program of the user's.

A recipe only says ``command``. The program itself is named by the environment variable
``NEUROGRAFT_BRAIN_COMMAND``, never by a recipe: a recipe travels inside of models, and opening
somebody's model must not run what it names.
"""

import hashlib
import logging
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_dilation, binary_fill_holes, label

from neurograft.errors import InputError
from neurograft.imaging.files import read_image, voxel_hash, write_image, write_label_map
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.template import mni152, mni152_brain
from neurograft.imaging.volume import Volume
from neurograft.outputs import cache_folder

logger = logging.getLogger(__name__)

COMMAND_VARIABLE = "NEUROGRAFT_BRAIN_COMMAND"
TIMEOUT_VARIABLE = "NEUROGRAFT_BRAIN_TIMEOUT_S"
_TIMEOUT_S = 900.0
VOLUME_LITRES = (0.3, 2.5)
"""What a brain's mask may hold, from a newborn's to a generous mask of a large man's."""
_SPACING_MM = 4.0
_AROUND_BRAIN_VOXELS = 2
_METHOD_VERSION = 1


def template_brain(scan: Volume) -> Volume:
    """The template's brain mask, brought to a scan by affine registration: a fallback, and a rough one.

    It is the average brain stretched to this head, so it misses gyri here and takes dura there; a
    program made for the purpose is better.

    Args:
        scan: a head, T1-weighted or of any contrast that tells brain from its surroundings.

    Returns:
        int32, 0 and 1, on the scan's grid.

    Raises:
        InputError: no contrast, no map found, or a mask that cannot be a brain.
    """
    kept = cache_folder() / "brains" / f"{_key(scan, 'template')}.nii.gz"
    if kept.is_file():
        return _read_mask(kept, scan)
    # SimpleITK's 100 MiB are loaded only where something is registered.
    from neurograft.imaging.registration.affine import affine_registration
    from neurograft.imaging.registration.transform import SpatialTransform, warp
    from neurograft.imaging.registration.working_images import working_volume

    template = working_volume(mni152(2), _SPACING_MM)
    inside = resample_to_grid(mni152_brain(2), template.grid, "nearest").data > 0
    # Only brain and the fluid around it are compared: the template has no skull to find.
    counted = binary_dilation(inside, iterations=_AROUND_BRAIN_VOXELS)
    try:
        affine = affine_registration(template, working_volume(scan, _SPACING_MM), counted)
    except RuntimeError as error:  # SimpleITK raises nothing finer
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"the template could not be registered: {reason}", "Give masks in the column mask", scan.path
        ) from error
    transform = SpatialTransform(affine).inverse()
    mask = warp(mni152_brain(1), transform, scan.grid, nearest=True) > 0.5
    _require_brain(mask, scan, "the template's mask")
    write_label_map(kept, mask.astype(np.uint8), scan.grid)
    return Volume(mask.astype(np.int32), scan.grid, scan.path)


def command_brain(scan: Volume) -> Volume:
    """Let the user's program find the brain, and check what it wrote.

    ``NEUROGRAFT_BRAIN_COMMAND`` is a program with its arguments, of which ``{input}`` and ``{output}``
    stand for two NIfTI files; the second may hold a mask or the stripped image. It is started without a
    shell, so nothing in it is expanded, and stopped after ``NEUROGRAFT_BRAIN_TIMEOUT_S`` seconds, 900 by
    default. Masks are kept under the hash of scan and command.

    Raises:
        InputError: no command, one that fails or does not end, or an output that is missing, lies on
            another grid or cannot be a brain.
    """
    words = _command()
    kept = cache_folder() / "brains" / f"{_key(scan, *words)}.nii.gz"
    if kept.is_file():
        return _read_mask(kept, scan)
    with tempfile.TemporaryDirectory(prefix="neurograft-brain-") as folder:
        given, wanted = Path(folder) / "input.nii.gz", Path(folder) / "output.nii.gz"
        write_image(given, scan.data, scan.grid)
        _run([word.replace("{input}", str(given)).replace("{output}", str(wanted)) for word in words], scan)
        if not wanted.is_file():
            raise InputError(
                f"{words[0]} ended well and wrote no file at {{output}}", f"Check {COMMAND_VARIABLE}", scan.path
            )
        try:
            result = read_image(wanted)
        except InputError as error:
            raise InputError(
                f"what {words[0]} wrote cannot be read: {error.problem}", f"Check {COMMAND_VARIABLE}", scan.path
            ) from error
    if not result.grid.same_as(scan.grid):
        raise InputError(
            f"what {words[0]} wrote does not lie on the scan's grid: {result.grid.difference(scan.grid)}",
            "Let it keep the grid of its input",
            scan.path,
        )
    mask = solid(result.data != 0)
    _require_brain(mask, scan, f"the mask of {words[0]}")
    write_label_map(kept, mask.astype(np.uint8), scan.grid)
    return Volume(mask.astype(np.int32), scan.grid, scan.path)


def solid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part of a mask without holes: a stripped image has dark voxels within the brain."""
    parts, count = label(binary_closing(np.pad(mask, 2), iterations=1))
    if count == 0:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    filled = binary_fill_holes(parts == sizes.argmax())
    return np.asarray(filled[2:-2, 2:-2, 2:-2], bool)


def _command() -> list[str]:
    text = os.environ.get(COMMAND_VARIABLE, "")
    mend = f"Set {COMMAND_VARIABLE}, for example to 'mri_synthstrip -i {{input}} -m {{output}}'"
    if not text.strip():
        raise InputError("preparation.brain is command, and no command is given", mend)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"{COMMAND_VARIABLE} cannot be read: {error}", mend) from error
    for placeholder in ("{input}", "{output}"):
        if not any(placeholder in word for word in words[1:]):
            raise InputError(f"{COMMAND_VARIABLE} does not say where {placeholder} goes", mend)
    return words


def _run(words: list[str], scan: Volume) -> None:
    try:
        limit = float(os.environ.get(TIMEOUT_VARIABLE, _TIMEOUT_S))
    except ValueError as error:
        raise InputError(f"{TIMEOUT_VARIABLE} is no number of seconds", "Correct it") from error
    logger.info("brain extraction by %s", words[0])
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError(f"there is no program {words[0]!r}", f"Install it, or correct {COMMAND_VARIABLE}") from error
    except OSError as error:
        raise InputError(f"{words[0]!r} cannot be started: {error.strerror}", f"Correct {COMMAND_VARIABLE}") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{words[0]} did not end within {limit:g} seconds", f"Raise {TIMEOUT_VARIABLE}", scan.path
        ) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise InputError(
            f"{words[0]} ended with status {done.returncode}{f': {said}' if said else ''}",
            f"Check {COMMAND_VARIABLE}",
            scan.path,
        )


def _require_brain(mask: NDArray[np.bool_], scan: Volume, what: str) -> None:
    litres = float(mask.sum()) * scan.grid.voxel_volume_mm3 / 1e6
    low, high = VOLUME_LITRES
    if not low <= litres <= high:
        raise InputError(
            f"{what} holds {litres:.2f} litres, which is no brain ({low:g} to {high:g})",
            "Look at the scan; give its mask in the column mask",
            scan.path,
        )


def _read_mask(path: Path, scan: Volume) -> Volume:
    return Volume((read_image(path).data > 0).astype(np.int32), scan.grid, scan.path)


def _key(scan: Volume, *words: str) -> str:
    digest = hashlib.sha256(voxel_hash(scan).encode())
    digest.update(scan.grid.affine.round(6).tobytes())
    digest.update(repr((_METHOD_VERSION, words)).encode())
    return digest.hexdigest()[:32]
