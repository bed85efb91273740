from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (6, 7, 8)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a NIfTI file below the test's folder; images are random by their name, labels hold what is asked."""

    def write(
        name: str, data: np.ndarray | None = None, spacing_mm: float = 1.0, labels: tuple[int, ...] | None = None
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if labels is not None:
            data = np.zeros(SHAPE, np.uint8)
            data.flat[: len(labels)] = labels
        elif data is None:
            data = np.random.default_rng(list(name.encode())).normal(100, 20, SHAPE).astype(np.float32)
        nib.save(nib.Nifti1Image(data, np.diag([spacing_mm] * 3 + [1])), path)
        return path

    return write
