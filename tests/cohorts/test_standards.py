from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import open_cohort
from neurograft.cohorts.standardised import write_standardised
from neurograft.cohorts.standards import cohort_standard
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, write_image
from neurograft.imaging.grid import Grid
from neurograft.recipes.schema import PreparationConfig, StandardConfig


@pytest.fixture
def scanners(tmp_path: Path) -> Path:
    """Three people; the last one's scanner has another gain."""
    grid = Grid.from_affine((8, 9, 10), np.eye(4))
    rows = ["subject\timage_T1w\timage_T2w\tsite"]
    for number, gain in enumerate((1.0, 1.0, 6.0)):
        generator = np.random.default_rng(number)
        for channel in ("T1w", "T2w"):
            data = gain * generator.gamma(4, 10, grid.shape).astype(np.float32)
            data[:2] = 0
            write_image(tmp_path / f"p{number}_{channel}.nii.gz", data, grid)
        rows.append(f"p{number}\tp{number}_T1w.nii.gz\tp{number}_T2w.nii.gz\t{'ab'[gain > 1]}")
    (tmp_path / "cohort.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "cohort.tsv"


@pytest.mark.parametrize("method", ["nyul", "histogram"])
def test_fit_on_one_cohort_apply_to_any(scanners: Path, tmp_path: Path, method: str) -> None:
    cohort = open_cohort(scanners)
    standard = cohort_standard(cohort.of_subjects(["p0", "p1"]), PreparationConfig(normalisation=method))
    assert standard.method == method
    assert len(standard.landmarks) == 2
    table = write_standardised(cohort, standard, tmp_path / "out")
    written = open_cohort(table)
    assert written.channels == ("T1w", "T2w")
    assert [case.covariates["site"] for case in written.cases] == ["a", "a", "b"]
    medians = []
    for case, original in zip(written.cases, cohort.cases, strict=True):
        for path, before in zip(case.images.values(), original.images.values(), strict=True):
            data, raw = read_image(path), read_image(before)
            assert data.grid.same_as(raw.grid)
            assert ((data.data == 0) == (raw.data == 0)).all()
            medians.append(np.median(data.data[raw.data != 0]))
    # Each channel has a scale of its own; within one, everybody ends alike.
    for channel in (medians[::2], medians[1::2]):
        np.testing.assert_allclose(channel, channel[0], rtol=0.1)
    with pytest.raises(InputError, match="the output exists"):
        write_standardised(cohort, standard, tmp_path / "out")


def test_what_cannot_be_measured(scanners: Path, tmp_path: Path) -> None:
    cohort = open_cohort(scanners)
    with pytest.raises(InputError, match="has no scale to measure"):
        cohort_standard(cohort, PreparationConfig())
    with pytest.raises(InputError, match="holds no landmarks"):
        write_standardised(cohort, StandardConfig(), tmp_path / "out")
    one = cohort_standard(cohort, PreparationConfig(normalisation="nyul"))
    with pytest.raises(InputError, match="landmarks for 1 channels, the image has 2"):
        write_standardised(cohort, one.model_copy(update={"landmarks": one.landmarks[:1]}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
