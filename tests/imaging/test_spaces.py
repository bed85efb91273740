import numpy as np
import pytest

from neurograft.imaging import registration
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.preparation import prepare_classes, prepare_image, restore_classes, restore_probabilities
from neurograft.imaging.registration.register import Registered
from neurograft.imaging.registration.score import RegistrationScore
from neurograft.imaging.registration.transform import SpatialTransform
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.template import mni152
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import PreparationConfig

TABLE = LabelTable.from_names({5: "bright"})


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0)])
def test_to_the_template_and_back(spacing: tuple[float, float, float]) -> None:
    template = mni152(2)
    turn = np.array([[1.08, 0.12, 0, 30], [-0.1, 0.95, 0.1, -200], [0, -0.1, 1.05, 90], [0, 0, 0, 1]])
    grid = Grid.from_affine(template.grid.shape, turn @ template.grid.affine)
    scan = Volume(np.asarray(template.data * 400, np.float32), grid)
    labels = Volume(np.where(template.data > 0.8, 5, 0).astype(np.int32), grid)
    config = PreparationConfig(space="mni152", spacing_mm=spacing, normalisation="none")
    prepared = prepare_image([scan], config)
    assert prepared.grid.orientation == "RAS"
    np.testing.assert_allclose(prepared.grid.spacing_mm, spacing)
    # The template's own voxels are known in its space: the prepared scan must look like them.
    there = resample_to_grid(template, prepared.grid, "linear").data
    assert np.corrcoef(prepared.data[0].ravel(), there.ravel())[0, 1] > 0.97
    classes = prepare_classes(labels, TABLE, prepared)
    back = restore_classes(classes, prepared)
    assert back.shape == scan.data.shape
    wanted = labels.data > 0
    assert 2 * ((back == 1) & wanted).sum() / ((back == 1).sum() + wanted.sum()) > 0.75
    soft = restore_probabilities(np.stack([classes != 1, classes == 1]), prepared, outside=[1, 0])
    assert soft.shape == (2, *scan.data.shape)
    np.testing.assert_allclose(soft.sum(0), 1, atol=1e-4)


def test_a_registration_that_cannot_be_believed_is_told_in_the_image(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    template = mni152(2)
    found = Registered(SpatialTransform(np.eye(4)), RegistrationScore(0.5, 0.9, 0.0, 0.0), 0.0)
    monkeypatch.setattr(registration, "register", lambda *_: found)
    scan = Volume(np.asarray(template.data, np.float32), template.grid)
    prepared = prepare_image([scan], PreparationConfig(space="mni152", spacing_mm=(4, 4, 4)))
    assert prepared.doubt == "outlines overlap by 0.50 only"
    assert "may be registered wrongly to the template" in caplog.text
    assert prepare_image([scan], PreparationConfig()).doubt == ""
