"""Fetching public data sets, verified by checksum."""

import logging
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from neurograft.errors import InputError
from neurograft.outputs import cache_folder

logger = logging.getLogger(__name__)

MSD_HIPPOCAMPUS_URL = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"
MSD_HIPPOCAMPUS_MD5 = "9d24dba78a72977dbd1d2e110310f31b"


def fetch_msd_hippocampus(
    cache_dir: Path | str | None = None, url: str = MSD_HIPPOCAMPUS_URL, md5: str = MSD_HIPPOCAMPUS_MD5
) -> Path:
    """Download Task04 of the Medical Segmentation Decathlon, unless it is already there.

    The data are under CC BY-SA 4.0.

    Args:
        cache_dir: where downloads are kept; by default the folder in the environment
            variable NEUROGRAFT_CACHE, else the user's cache folder.
        url: the tar file.
        md5: its checksum.

    Returns:
        The Decathlon folder.

    Raises:
        InputError: the download failed, or what came is not the expected file.

    Reference:
        Antonelli et al. 2022, The Medical Segmentation Decathlon, Nature Communications 13:4128.
    """
    cache = Path(cache_dir) if cache_dir is not None else cache_folder()
    folder = cache / f"Task04_Hippocampus-{md5[:8]}"
    if (folder / "dataset.json").is_file():
        return folder
    archive = _download(url, md5, cache)
    try:
        _unpack(archive, folder)
    finally:
        archive.unlink(missing_ok=True)
    return folder


def _download(url: str, md5: str, cache: Path) -> Path:
    # Imported only where something is fetched: it loads a whole HTTP client.
    import pooch
    import requests

    logger.info("downloading %s to %s", url, cache)
    try:
        return Path(pooch.retrieve(url, known_hash=f"md5:{md5}", fname=f"{md5}.tar", path=cache))
    except ValueError as error:
        raise InputError(
            f"the download does not have the checksum {md5}",
            "Try again later, or give --data-root a copy you trust",
            url,
        ) from error
    except (requests.RequestException, OSError) as error:
        raise InputError(
            f"the download failed: {error}", "Check the connection, or give --data-root a copy of the data", url
        ) from error


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside the final place and move it there whole, so that what exists is complete."""
    staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(staging, filter="data")
        found = sorted(staging.rglob("dataset.json"), key=lambda path: len(path.parts))
        if not found:
            raise InputError("the archive holds no dataset.json", "Give the URL of a Decathlon task", archive)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(found[0].parent, folder)
    except tarfile.TarError as error:
        raise InputError(f"the archive cannot be unpacked: {error}", "Give the URL of a tar file", archive) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
