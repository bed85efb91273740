"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
import torch

# The workers of a parallel run share the cores; more threads each only slows them all.
torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["NEUROGRAFT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans, or a skip that says so."""
    folder = Path(os.environ.get("NEUROGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real scans are not here ({folder}); set NEUROGRAFT_DATA to their folder")
    return folder
