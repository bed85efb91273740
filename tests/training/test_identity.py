"""A run goes on only if nothing that decides it has changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import Cohort, fingerprint_cohort
from neurograft.imaging.files import read_image, read_label_map, write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.recipes.schema import Recipe
from neurograft.training.identity import run_identity
from neurograft.training.request import TrainingRequest


@pytest.fixture
def own_labels(balls: Cohort, tmp_path: Path) -> Cohort:
    """The cohort with its label maps where they may be changed."""
    cases = []
    for case in balls.cases:
        assert case.label is not None
        copy = tmp_path / case.label.name
        copy.write_bytes(case.label.read_bytes())
        cases.append(replace(case, label=copy))
    return replace(balls, cases=tuple(cases))


def test_a_label_map_that_was_drawn_anew_makes_another_run(
    own_labels: Cohort, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    request = TrainingRequest(own_labels, make_recipe(), tmp_path / "out")
    prints = [fingerprint_cohort(own_labels)]
    before = run_identity(request, own_labels, prints)
    assert before == run_identity(request, own_labels, [fingerprint_cohort(own_labels)])
    file = own_labels.cases[0].label
    assert file is not None
    volume = read_label_map(file)
    data = np.array(volume.data)
    data[tuple(np.argwhere(data > 0)[0])] = 0
    write_label_map(file, data, volume.grid)
    after = run_identity(request, own_labels, [fingerprint_cohort(own_labels)])
    assert before["subjects"] == after["subjects"]
    assert before != after
    file.unlink()
    assert run_identity(request, own_labels, prints) != after


def test_a_mask_and_a_quality_count(own_labels: Cohort, make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    request = TrainingRequest(own_labels, make_recipe(), tmp_path / "out")
    prints = [fingerprint_cohort(own_labels)]
    first, *others = own_labels.cases
    masked = replace(own_labels, cases=(replace(first, mask=first.label), *others))
    rated = replace(own_labels, cases=(replace(first, covariates={"label_quality": "0.5"}), *others))
    identities = [run_identity(request, cohort, prints) for cohort in (own_labels, masked, rated)]
    assert identities[0] != identities[1] != identities[2] != identities[0]


@pytest.fixture
def two_channels(balls: Cohort, tmp_path: Path) -> Cohort:
    """The cohort with a second channel, all of its images where they may be changed."""
    cases = []
    for case in balls.cases:
        images = {}
        for name in ("t1", "t2"):
            (image,) = case.images.values()
            images[name] = tmp_path / f"{name}_{image.name}"
            images[name].write_bytes(image.read_bytes())
        cases.append(replace(case, images=images))
    return replace(balls, channels=("t1", "t2"), cases=tuple(cases))


@pytest.mark.parametrize("change", ["voxels of the second channel", "place in space"])
def test_other_images_make_another_run(
    change: str, two_channels: Cohort, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    request = TrainingRequest(two_channels, make_recipe(), tmp_path / "out")
    before = run_identity(request, two_channels, [fingerprint_cohort(two_channels)])
    file = two_channels.cases[0].images["t2" if change.startswith("voxels") else "t1"]
    volume = read_image(file)
    if change.startswith("voxels"):
        write_image(file, volume.data + 1, volume.grid)
    else:
        write_image(file, volume.data, Grid.from_affine(volume.grid.shape, volume.grid.affine @ np.diag([1, 1, 2, 1])))
    after = run_identity(request, two_channels, [fingerprint_cohort(two_channels)])
    assert before["subjects"] == after["subjects"]
    assert before != after


def test_the_order_of_the_cases_counts(balls: Cohort, make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    turned = replace(balls, cases=balls.cases[::-1])
    identities = [
        run_identity(TrainingRequest(balls, make_recipe(), tmp_path / "out"), cohort, [fingerprint_cohort(cohort)])
        for cohort in (balls, turned)
    ]
    assert identities[0] != identities[1]
