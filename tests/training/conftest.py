"""A cohort that trains in a second, and runs that can be cut off anywhere."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.recipes import Recipe
from neurograft.recipes.loading import override_recipe

TINY = [
    "network.channels=[4, 8]",
    "sampling.patch_size=[16, 16, 16]",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
    "budget=24steps",
    "validation.every=8",
    "inference.overlap=0.0",
]

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]


def _write_cohort(
    folder: Path,
    subjects: int = 3,
    shape: tuple[int, int, int] = (20, 18, 16),
    labels: Sequence[str] = ("ball",),
    seed: int = 0,
    first_subject: int = 0,
    label_states: Sequence[str] = (),
) -> Cohort:
    """Bright balls, one a label, in noise."""
    rng = np.random.default_rng(seed)
    grid = Grid.from_affine(shape, np.diag([1.0, 1.0, 1.0, 1.0]))
    places = np.indices(shape)
    folder.mkdir(parents=True)
    rows = ["subject\timage\tlabel" + ("\tlabel_state" if label_states else "")]
    for number in range(subjects):
        name = f"p{first_subject + number:02d}"
        image, label = rng.normal(0.0, 0.3, shape).astype(np.float32), np.zeros(shape, np.uint8)
        for value, _ in enumerate(labels, start=1):
            centre = rng.uniform(6, [size - 6 for size in shape])[:, None, None, None]
            ball = ((places - centre) ** 2).sum(0) < 16
            image[ball] += 2.0 * value
            label[ball] = value
        write_image(folder / f"{name}.nii.gz", image, grid)
        write_label_map(folder / f"{name}_dseg.nii.gz", label, grid)
        state = f"\t{label_states[number]}" if label_states else ""
        rows.append(f"{name}\t{name}.nii.gz\t{name}_dseg.nii.gz{state}")
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    table = [f"{value}\t{name}" for value, name in enumerate(labels, start=1)]
    (folder / "labels.tsv").write_text("\n".join(["index\tname", *table]) + "\n")
    return open_cohort(folder / "cohort.tsv")


@pytest.fixture(scope="session")
def make_cohort() -> CohortMaker:
    return _write_cohort


@pytest.fixture(scope="session")
def make_recipe() -> RecipeMaker:
    def make(*overrides: str) -> Recipe:
        return override_recipe({}, [*TINY, *overrides])

    return make


@pytest.fixture(scope="session")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Three subjects with one label."""
    return _write_cohort(tmp_path_factory.mktemp("cohorts") / "balls")


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Resume points every four steps, however busy the disk is."""
    monkeypatch.setattr("neurograft.training.planning.LARGEST_CHUNK", 4)
    monkeypatch.setattr("neurograft.training.callbacks.ResumePoint.CHEAP_SECONDS", math.inf)
    return 4
