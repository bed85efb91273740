"""Features in the plane: what is projected, and what the share of neighbours says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.errors import InputError
from neurograft.reports.feature_view import own_cohort_share, project, standardised, write_feature_figure


def made(gap: float, sizes: tuple[int, int] = (80, 80), seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """Two clouds whose centres lie apart in all of six features; five scans each."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(sum(sizes), 6)).astype(np.float32)
    cohorts = np.repeat(["a", "b"], sizes)
    features[cohorts == "b"] += gap
    cases = [str(number % 5) for number in range(sum(sizes))]
    return features, pd.DataFrame({"cohort": cohorts, "case": cases})


def test_mixed_cohorts_share_their_neighbours_and_separate_ones_do_not() -> None:
    assert own_cohort_share(*made(0.0)) == pytest.approx(0.5, abs=0.06)
    assert own_cohort_share(*made(0.0, sizes=(120, 30))) == pytest.approx(0.5, abs=0.08)
    assert own_cohort_share(*made(200.0)) == 1.0


def test_voxels_of_one_scan_are_no_neighbours() -> None:
    features, voxels = made(0.0, seed=1)
    # All voxels of each scan at a place of its own, and the same place for one scan of either cohort.
    places = voxels["case"].astype(int).to_numpy()
    features[:] = np.eye(6, dtype=np.float32)[places] * 1000 + 0.01 * features
    # The nearest of another scan is always the other cohort's scan at that place.
    assert own_cohort_share(features, voxels) == 0.0


def test_the_first_principal_component_is_the_direction_of_most_spread() -> None:
    generator = np.random.default_rng(3)
    common = generator.normal(size=(100, 1))
    features = np.hstack([common, common, generator.normal(size=(100, 1)), np.ones((100, 1))]).astype(np.float32)
    found = project(features)
    assert abs(np.corrcoef(found["pc1"], common[:, 0])[0, 1]) > 0.97
    assert found.columns.tolist() == ["pc1", "pc2", "tsne1", "tsne2"]
    assert np.isfinite(found.to_numpy()).all()
    pd.testing.assert_frame_equal(found, project(features))
    assert (standardised(features)[:, 3] == 0).all()


def test_too_few_voxels_are_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        project(np.zeros((59, 5), np.float32))


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_figure_is_written(tmp_path: Path, suffix: str) -> None:
    _, voxels = made(1.0)
    points = np.random.default_rng(0).normal(size=(len(voxels), 4))
    projected = pd.concat([voxels, pd.DataFrame(points, columns=["pc1", "pc2", "tsne1", "tsne2"])], axis=1)
    write_feature_figure(tmp_path / f"f.{suffix}", projected, "before")
    assert (tmp_path / f"f.{suffix}").stat().st_size > 5000
