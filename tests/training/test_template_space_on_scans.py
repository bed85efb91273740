"""A real scan through the template's space and back: prepared, learnt from, predicted, on its own grid again."""

from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.preparation import PreparedImage, prepare_classes, prepare_image, restore_classes
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.template import mni152
from neurograft.inference.files import mask_path
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import open_bundle
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import Recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

DEEP = ("Left Thalamus Proper", "Right Thalamus Proper", "Left Putamen", "Right Putamen")
TINY = (
    "labels=[Left Thalamus Proper, Right Thalamus Proper, Left Putamen, Right Putamen]",
    "budget=2steps",
    "network.stem_channels=4",
    "network.channels=[2,2,4,4,4]",
    "preparation.spacing_mm=[2,2,2]",
    "preparation.crop_size=[96,128,null]",
    "sampling.patch_size=[96,128,1]",
    "inference.window=[96,128,16]",
    "sampling.batch_size=2",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
)


@pytest.fixture(scope="module")
def scans(shared_data: Path) -> Cohort:
    cohort = open_cohort(shared_data / "miccai2012-train")
    return cohort.of_subjects(cohort.subjects[:2])


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("p4-target", TINY)


@pytest.fixture(scope="module")
def prepared(scans: Cohort, recipe: Recipe) -> PreparedImage:
    return prepare_image([read_image(scans.cases[0].images["T1w"])], recipe.preparation)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_the_scan_lies_where_the_template_does(prepared: PreparedImage) -> None:
    template = resample_to_grid(mni152(2), prepared.grid, "linear").data > 0.1 * mni152(2).data.max()
    brain = prepared.data[0] > 0
    # The scans keep some fluid round the brain, and the template does not.
    assert _dice(brain, template) > 0.88
    assert prepared.grid.spacing_mm == pytest.approx((2, 2, 2))


def test_labels_come_back_where_they_were(scans: Cohort, prepared: PreparedImage) -> None:
    case = scans.cases[0]
    assert case.label is not None
    table = scans.labels.select(list(DEEP))
    label_map = read_label_map(case.label)
    back = restore_classes(prepare_classes(label_map, table, prepared), prepared)
    truth = table.to_classes(label_map.data)
    assert back.shape == truth.shape
    for number, name in enumerate(DEEP, start=1):
        # From 1 mm to 2 mm and back by nearest neighbour costs some of the surface; a shift of 3 mm costs far more.
        assert _dice(back == number, truth == number) > 0.8, name


def test_a_model_of_the_templates_space_answers_on_the_scans_own_grid(
    scans: Cohort, recipe: Recipe, tmp_path: Path
) -> None:
    learner, tested = (scans.of_subjects([subject]) for subject in scans.subjects)
    train_model(TrainingRequest(learner, recipe, tmp_path / "model"))
    predict_cohort(PredictionRequest([open_bundle(tmp_path / "model")], tested, tmp_path / "masks"))
    (case,) = tested.cases
    mask = read_label_map(tmp_path / "masks" / mask_path(tested, case))
    image = read_image(case.images["T1w"])
    assert mask.grid.same_as(image.grid)
    assert mask.data.shape == image.data.shape
