"""Exported networks, and what was measured of them, in the user's cache.

A folder a model, window size and machine holds one folder for each kind of export and
``measured.json``. It may be deleted at any time.
"""

import hashlib
import json
import logging
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import neurograft
from neurograft.imaging.grid import Shape
from neurograft.inference.engines.parity import Parity
from neurograft.models import Bundle
from neurograft.outputs import cache_folder, write_json

logger = logging.getLogger(__name__)

EXPORT_FORM = 2
"""Raised when exports of the same network come out otherwise than before."""
MEASURED = "measured.json"
HASHES = "sha256.json"
"""In the folder of an export: its files' hashes."""


@dataclass(frozen=True)
class Measured:
    """An engine as it was found here.

    Attributes:
        seconds: of a window, the fastest of several; 0 for what did not run.
        parity: against PyTorch; ``None`` for PyTorch itself and for what did not run.
        fault: why it is not used; empty if it may be.
        passing: whether the fault may be gone next time, as that of a full disk; it is not kept then.
    """

    seconds: float
    parity: Parity | None = None
    fault: str = ""
    passing: bool = False


class EngineStore:
    """Where a model's exports for one window size lie.

    Args:
        bundle: the model.
        block: voxels that the network reads for a window.
        device: where it runs.
        versions: of the libraries whose exports and speeds count.
    """

    def __init__(self, bundle: Bundle, block: Shape, device: str, versions: dict[str, str]) -> None:
        recipe = bundle.info.recipe
        facts = (
            # Which networks are built from a recipe, and how they are exported, is ours to change.
            neurograft.__version__,
            EXPORT_FORM,
            bundle.info.weights_sha256,
            # How probabilities become the classes that are compared.
            recipe.task.model_dump(mode="json"),
            recipe.inference.threshold,
            recipe.network.model_dump(mode="json"),
            recipe.preparation.model_dump(mode="json"),
            block,
            device,
            torch.cuda.get_device_name() if device == "cuda" else "",
            platform.node(),
            torch.backends.cpu.get_cpu_capability(),
            torch.get_num_threads(),
            sorted(versions.items()),
        )
        digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
        self.block = block
        self.folder = cache_folder() / "engines" / digest

    def read(self) -> dict[str, Measured]:
        """What was measured before, by engine and precision; nothing where the file cannot be read."""
        try:
            tree = json.loads((self.folder / MEASURED).read_text("utf-8"))
            return {name: _measured(entry) for name, entry in tree.items()}
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return {}

    def write(self, measured: dict[str, Measured]) -> None:
        """Keep what was measured, if the cache can be written."""
        try:
            kept = {name: asdict(entry) for name, entry in measured.items() if not entry.passing}
            write_json(self.folder / MEASURED, kept)
        except OSError as error:
            logger.warning("the measurement of engines is not kept for the next time: %s", error)

    def export(self, kind: str, write: Callable[[Path], None]) -> Path:
        """The folder of an export, which is made unless it is there, whole and as it was written.

        Args:
            kind: its name.
            write: writes the files into an empty folder.
        """
        final = self.folder / kind
        if final.is_dir():
            if _is_whole(final):
                return final
            logger.warning("the export in %s is damaged, and is made anew", final)
            shutil.rmtree(final, ignore_errors=True)
        working = self.folder / f".{kind}.{os.getpid()}.partial"
        try:
            working.mkdir(parents=True, exist_ok=True)
            write(working)
            write_json(working / HASHES, _hashes(working))
            try:
                os.replace(working, final)
            except OSError:
                # Another process was faster, and its export is as good.
                if not final.is_dir():
                    raise
        finally:
            shutil.rmtree(working, ignore_errors=True)
        return final


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != HASHES:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _is_whole(folder: Path) -> bool:
    """Whether the files of an export are those that were written: a cache may lose some, or bits of them."""
    try:
        return bool(json.loads((folder / HASHES).read_text("utf-8")) == _hashes(folder))
    except (OSError, ValueError):
        return False


def _measured(entry: dict[str, Any]) -> Measured:
    parity = entry["parity"]
    return Measured(float(entry["seconds"]), None if parity is None else Parity(**parity), str(entry["fault"]))
