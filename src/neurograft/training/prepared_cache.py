"""Prepared images kept on disk, so that a second training on the same scans does not prepare them again.

An image is found by what it was made from: the content of its files, the recipe's section ``preparation``, and
the versions of what computes. What is read is, bit for bit, what would be computed. Label maps are not kept:
bringing one onto a prepared grid takes a fraction of the time, and which slices of it count is drawn anew.

The folder is bounded: what was not used for longest goes first. It may be deleted at any time.
"""

import hashlib
import json
import logging
import math
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import neurograft
from neurograft.cohorts import Case
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.preparation import PreparedImage, prepare_image
from neurograft.imaging.prepared_file import DamagedFileError, read_prepared, write_prepared
from neurograft.imaging.volume import Volume
from neurograft.outputs import cache_folder
from neurograft.recipes.schema import PreparationConfig

logger = logging.getLogger(__name__)

SIZE_VARIABLE = "NEUROGRAFT_PREPARED_GIB"
"""Environment variable: the most that prepared images may take on disk, in GiB; 0 keeps none."""
MOST_GIB = 10.0
FORMAT = 2
"""Raised whenever the files' form, or a preparation under an unchanged recipe, changes."""
_COMPUTING = ("nibabel", "nilearn", "numpy", "scipy", "SimpleITK")
_TRIM_SHARE = 0.05
"""The folder is looked through at the first file that is written, and when so much of the bound was written since."""


def read_case_images(case: Case) -> tuple[list[Volume], Volume | None]:
    """Read a case's channels and its mask, where it has one."""
    return [read_image(path) for path in case.images.values()], read_label_map(case.mask) if case.mask else None


class PreparedCache:
    """Prepared images in the user's cache.

    Args:
        most_gib: the most that they may take; ``None`` takes `SIZE_VARIABLE`, or `MOST_GIB`.

    Attributes:
        reused: images that were found.
    """

    def __init__(self, most_gib: float | None = None) -> None:
        self.folder = cache_folder() / "prepared"
        self.most_bytes = (_wanted_gib() if most_gib is None else most_gib) * 2**30
        self.reused = 0
        # Many short trainings that each wrote little would else never look.
        self._written = math.inf

    def image(self, case: Case, config: PreparationConfig) -> PreparedImage:
        """A case's images as `prepare_image` prepares them.

        Args:
            case: with its files.
            config: how to prepare.

        Raises:
            InputError: a file that cannot be used.
        """
        file = self._file(case, config)
        if file is not None:
            try:
                found = read_prepared(file)
                with suppress(OSError):
                    os.utime(file)  # which a folder of somebody else's refuses
                self.reused += 1
                return found
            except FileNotFoundError:
                pass
            except (OSError, DamagedFileError) as error:
                logger.warning("a prepared image is made anew: %s", error)
        volumes, mask = read_case_images(case)
        prepared = prepare_image(volumes, config, mask)
        # One that may be wrong is made anew each time, which says so each time.
        if file is not None and not prepared.doubt:
            self._keep(file, prepared)
        return prepared

    def trim(self) -> None:
        """Delete what was not used for longest until the rest is within the bound."""
        self._written = 0.0
        found = []
        for path in self.folder.glob("*.safetensors"):
            try:
                state = path.stat()
            except OSError:
                continue  # another process was faster
            found.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.most_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size

    def _file(self, case: Case, config: PreparationConfig) -> Path | None:
        """Where a case's image lies; nowhere if none are kept, or something beside its files decides."""
        paths = [*case.images.values(), *([case.mask] if case.mask else [])]
        # A program of the user's may change, and an Analyze image has a second file.
        if self.most_bytes <= 0 or config.brain == "command" or any(path.suffix in (".hdr", ".img") for path in paths):
            return None
        try:
            hashes = [_content_hash(path) for path in paths]
        except OSError:
            return None  # reading it for its voxels says better what is wrong
        facts = {
            "format": FORMAT,
            "versions": [neurograft.__version__, *(version(name) for name in _COMPUTING)],
            "preparation": config.model_dump(mode="json"),
            "files": [[path.suffix, digest] for path, digest in zip(paths, hashes, strict=True)],
            "masked": case.mask is not None,
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / f"{digest}.safetensors"

    def _keep(self, file: Path, prepared: PreparedImage) -> None:
        try:
            # Scans are of people: other users of the machine do not read them here.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._written += write_prepared(file, prepared)
            if self._written > _TRIM_SHARE * self.most_bytes:
                self.trim()
        except OSError as error:
            logger.warning("prepared images are not kept for the next time: %s", error)
            self.most_bytes = 0.0


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wanted_gib() -> float:
    text = os.environ.get(SIZE_VARIABLE, "")
    try:
        wanted = float(text) if text else MOST_GIB
    except ValueError:
        wanted = math.nan
    if math.isnan(wanted):
        logger.warning("%s is no number: %r; %g is taken", SIZE_VARIABLE, text, MOST_GIB)
        return MOST_GIB
    return wanted
