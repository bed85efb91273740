"""A small study of two structures on two sides, seen by a reference, a prediction and two raters."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid

NAMES = {3: "Left-Putamen", 9: "Right-Putamen", 20: "lesion"}
SHAPE = (24, 20, 16)


@dataclass(frozen=True)
class Scans:
    """Folders of label maps and images, and a cohort of the reference.

    The axes of the files run to the left, so that reading must turn them.
    """

    cohort: Path
    prediction: Path
    raters: dict[str, Path]
    grid: Grid


def draw(generator: np.random.Generator, jitter: int) -> np.ndarray:
    """Two boxes, left and right, and a small lesion; `jitter` moves their faces."""
    labels = np.zeros(SHAPE, np.int16)

    def face(value: int) -> int:
        return value + int(generator.integers(-jitter, jitter + 1))

    # The first axis runs to the left: high indices are the left side.
    labels[face(14) : face(19), face(6) : face(12), face(5) : face(10)] = 3
    labels[face(5) : face(10), face(6) : face(12), face(5) : face(10)] = 9
    labels[2:4, 2 : face(5), 2:4] = 20
    return labels


@pytest.fixture
def make_scans(tmp_path: Path) -> Callable[..., Scans]:
    def make(cases: int = 4, seed: int = 0) -> Scans:
        affine = np.diag([-1.0, 0.8, 1.5, 1.0])
        affine[:3, 3] = 12, -8, -10
        grid = Grid.from_affine(SHAPE, affine)
        generator = np.random.default_rng(seed)
        folders = {name: tmp_path / name for name in ("cohort", "prediction", "ann", "bob")}
        rows = ["subject\timage\tlabel\treference_region"]
        for number in range(cases):
            name = f"s{number:02d}"
            truth = draw(generator, 1)
            image = generator.normal(100, 3, SHAPE) + 40 * (truth == 3) + 60 * (truth == 9)
            region = np.zeros(SHAPE, np.uint8)
            region[10:14, 14:18, 4:8] = 1
            write_image(folders["cohort"] / f"{name}.nii.gz", image.astype(np.float32), grid)
            write_label_map(folders["cohort"] / f"{name}_truth.nii.gz", truth, grid)
            write_label_map(folders["cohort"] / f"{name}_region.nii.gz", region, grid)
            for who in ("prediction", "ann", "bob"):
                write_label_map(folders[who] / f"{name}.nii.gz", draw(generator, 1), grid)
            rows.append(f"{name}\t{name}.nii.gz\t{name}_truth.nii.gz\t{name}_region.nii.gz")
        (folders["cohort"] / "cohort.tsv").write_text("\n".join(rows) + "\n")
        table = "\n".join(["index\tname", *(f"{value}\t{name}" for value, name in NAMES.items())]) + "\n"
        (folders["cohort"] / "labels.tsv").write_text(table)
        raters = {name: folders[name] for name in ("ann", "bob")}
        return Scans(folders["cohort"] / "cohort.tsv", folders["prediction"], raters, grid)

    return make
