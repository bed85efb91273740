"""A network of slices is trained and used on volumes like any other."""

import numpy as np
import pandas as pd
import pytest
import torch

from neurograft.imaging.files import read_image
from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume
from neurograft.inference.segmenting import Segmenter
from neurograft.models import open_bundle
from neurograft.networks import build_network
from neurograft.networks.attention_unet2d import AttentionUNet2d
from neurograft.networks.resnet_encoder2d import torchvision_name
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


def slice_recipe(make_recipe, plane: str, *more: str):
    axis = AXES[plane]
    patch = [1 if number == axis else 16 for number in range(3)]
    return make_recipe(
        "network.name=attention_unet2d",
        f"network.slice_axis={plane}",
        "network.channels=[4, 8]",
        "network.norm=batch",
        f"sampling.patch_size={patch}",
        "sampling.batch_size=8",
        "inference.window=[16, 16, 16]",
        "task.output=sigmoid",
        *more,
    )


@pytest.mark.parametrize("plane", list(AXES))
def test_a_ball_is_learnt_from_slices(make_cohort, make_recipe, tmp_path, plane) -> None:
    recipe = slice_recipe(make_recipe, plane, "budget=60steps", "optimiser.learning_rate=0.02")
    cohort = make_cohort(tmp_path / "balls")
    train_model(TrainingRequest(cohort, recipe, tmp_path / plane))
    segmenter = Segmenter([open_bundle(tmp_path / plane / "model")])
    other = make_cohort(tmp_path / "others", 2, seed=5, first_subject=20)
    for case in other.cases:
        found = segmenter.segment([read_image(path) for path in case.images.values()]).classes
        truth = read_image(case.label).data
        assert 2 * ((found > 0) & (truth > 0)).sum() / ((found > 0).sum() + (truth > 0).sum()) > 0.8


@pytest.mark.parametrize("plane", list(AXES))
def test_the_volume_is_rebuilt_on_the_scans_own_grid(make_cohort, make_recipe, tmp_path, plane) -> None:
    """The same scan stored with its axes in another order and turned round gets the same answer, bit for bit."""
    recipe = slice_recipe(make_recipe, plane, "budget=4steps", "preparation.crop=centre", "validation.hold_out=0",
                          "preparation.crop_size=[18, null, 16]")  # fmt: skip
    cohort = make_cohort(tmp_path / "balls", shape=(20, 20, 18))
    train_model(TrainingRequest(cohort, recipe, tmp_path / plane))
    segmenter = Segmenter([open_bundle(tmp_path / plane / "model")])
    volume = read_image(next(iter(cohort.cases[0].images.values())))
    plain = segmenter.segment([volume], keep_probabilities=True)
    assert plain.classes.shape == volume.data.shape
    turned = np.ascontiguousarray(volume.data.transpose(2, 0, 1)[:, ::-1])
    affine = volume.grid.affine[:, [2, 0, 1, 3]].copy()
    affine[:3, 3] += affine[:3, 1] * (turned.shape[1] - 1)
    affine[:3, 1] *= -1
    other = segmenter.segment([Volume(turned, Grid.from_affine(turned.shape, affine))], keep_probabilities=True)
    assert np.array_equal(other.classes, plain.classes.transpose(2, 0, 1)[:, ::-1])
    assert np.array_equal(other.probabilities[0], plain.probabilities[0].transpose(2, 0, 1)[:, ::-1])


def test_a_training_patch_is_a_slice_with_its_neighbours(make_cohort, make_recipe, tmp_path, monkeypatch) -> None:
    seen: list[tuple[torch.Size, ...]] = []
    original = AttentionUNet2d.slice_outputs

    def spy(self, slices):
        found = original(self, slices)
        seen.append((slices.shape, found["main"].shape))
        return found

    monkeypatch.setattr(AttentionUNet2d, "slice_outputs", spy)
    recipe = slice_recipe(make_recipe, "coronal", "budget=2steps", "validation.hold_out=0")
    train_model(TrainingRequest(make_cohort(tmp_path / "balls"), recipe, tmp_path / "run"))
    assert set(seen) == {((8, 3, 16, 16), (8, 1, 16, 16))}


def test_an_encoder_starts_from_a_file_and_the_run_says_so(make_cohort, make_recipe, tmp_path) -> None:
    recipe = slice_recipe(
        make_recipe,
        "axial",
        "network.encoder=resnet50",
        "network.channels=[4, 4, 4, 4, 4]",
        "sampling.patch_size=[32, 32, 1]",
        "sampling.batch_size=2",
        "inference.window=[32, 32, 16]",
        "budget=1steps",
        "optimiser.learning_rate=1e-9",
        "optimiser.weight_decay=0",
        "validation.hold_out=0",
    )
    donor = build_network(recipe.network, 1, 1, seed=9)
    names = {name: torchvision_name(name) for name in donor.state_dict()}
    weights = {theirs: donor.state_dict()[ours] for ours, theirs in names.items() if theirs is not None}
    torch.save(weights, tmp_path / "resnet50.pth")
    cohort = make_cohort(tmp_path / "balls")
    request = TrainingRequest(cohort, recipe, tmp_path / "run", encoder_weights=tmp_path / "resnet50.pth")
    info = train_model(request)
    assert info.training["encoder_weights"] == "resnet50.pth"
    loading = pd.read_csv(tmp_path / "run" / "loading.tsv", sep="\t").set_index("tensor")
    assert (loading.loc["layer4.2.conv3.weight", "action"], loading.loc["up1.up.weight", "action"]) == (
        "copied",
        "reset",
    )
    trained = open_bundle(tmp_path / "run" / "model").state
    for name in ("stem.conv1.weight", "layer3.5.conv2.weight"):
        assert torch.allclose(trained[name], donor.state_dict()[name], atol=1e-7)
