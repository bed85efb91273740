"""Features of voxels: those of the network at these places, as many of every structure, and both figures."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map, write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import prepare_image
from neurograft.inference.joined_features import joined_features, triplanar_of
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import load_recipe
from neurograft.reports.feature_views import FeatureRequest, write_feature_views
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

SMALL = [
    "preparation.prior=none",
    "preparation.crop=none",
    "inference.region=whole",
    "network.channels=[4,6,8]",
    "network.dense_channels=[8,12,10]",
    "sampling.batch_size=32",
    "validation.hold_out=0",
    "validation.figure=dice",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
    "budget=3steps",
]

Make = Callable[..., Cohort]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    root = tmp_path_factory.mktemp("features")

    def write(name: str, factor: float = 1.0, people: int = 2) -> Cohort:
        """Two blocks of other brightness in noise, of one scanner."""
        folder = root / name
        folder.mkdir()
        generator = np.random.default_rng(list(name.encode()))
        rows = ["subject\timage\tlabel"]
        grid = Grid.from_affine((18, 17, 16), np.eye(4))
        for number in range(people):
            image = generator.normal(100, 5, (18, 17, 16)) ** factor
            label = np.zeros(image.shape, np.int32)
            label[4:8, 5:9, 5:9], label[11:15, 6:10, 5:9] = 1, 2
            image[label == 1] *= 1.5
            image[label == 2] *= 0.6
            write_image(folder / f"{number}.nii.gz", image.astype(np.float32), grid)
            write_label_map(folder / f"{number}_dseg.nii.gz", label, grid)
            rows.append(f"{name}{number}\t{number}.nii.gz\t{number}_dseg.nii.gz")
        (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
        (folder / "labels.tsv").write_text("index\tname\n1\tcaudate\n2\tputamen\n")
        return open_cohort(folder)

    return write


@pytest.fixture(scope="module")
def source(make: Make) -> Cohort:
    return make("source")


@pytest.fixture(scope="module")
def model(source: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("models") / "model"
    train_model(TrainingRequest(source, load_recipe("p5-subcortical", SMALL), out))
    return open_bundle(out)


def test_features_are_those_of_a_structure_in_the_network(source: Cohort, model: Bundle) -> None:
    preparation = model.info.recipe.preparation
    found = joined_features(model, [source], preparation, 40)
    assert found.features.shape == (40, 12)
    counts = found.voxels.groupby(["case", "label"]).size()
    assert counts.tolist() == [10] * 4
    case = source.cases[0]
    image = torch.from_numpy(prepare_image([read_image(case.images["image"])], preparation).data)
    padded = torch.nn.functional.pad(image, (16, 15) * 3)
    network = triplanar_of(model)
    caudate = np.argwhere(read_label_map(case.label).data == 1)
    expected = []
    with torch.inference_mode():
        for x, y, z in caudate:
            block = padded[None, :, x : x + 32, y : y + 32, z : z + 32]
            planes = torch.stack([block[:, :, :, :, 16], block[:, :, :, 16], block[:, :, 16]], dim=2)
            expected.append(network.joined_features(planes)[0].numpy())
    rows = (found.voxels["case"] == case.id) & (found.voxels["label"] == "caudate")
    distances = np.abs(found.features[rows][:, None] - np.array(expected)[None]).max(axis=2)
    assert (distances.min(axis=1) < 1e-5).all()
    assert len(set(distances.argmin(axis=1))) == 10  # ten different voxels


def test_the_same_voxels_whatever_the_intensities(source: Cohort, model: Bundle) -> None:
    plain = model.info.recipe.preparation
    other = plain.model_copy(update={"normalisation": "none"})
    first = joined_features(model, [source], plain, 40, seed=1)
    second = joined_features(model, [source], other, 40, seed=1)
    pd.testing.assert_frame_equal(first.voxels, second.voxels)
    assert not np.allclose(first.features, second.features)
    assert (joined_features(model, [source], plain, 40, seed=1).features == first.features).all()


def test_two_figures_a_table_and_a_share(source: Cohort, model: Bundle, make: Make, tmp_path: Path) -> None:
    target = make("target", factor=2.0)
    request = FeatureRequest(model, [source, target], tmp_path / "out", voxels_each=40)
    shares = write_feature_views(request)
    assert set(shares) == {"before", "after"}
    assert all(0 <= share <= 1 for share in shares.values())
    table = pd.read_csv(tmp_path / "out" / "features.tsv", sep="\t")
    assert table.groupby(["standardisation", "cohort"]).size().tolist() == [40] * 4
    written = json.loads((tmp_path / "out" / "features.json").read_text())
    assert written["own_cohort_share"] == shares
    assert written["mixed_would_be"] == 0.5
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"before.png", "after.png"}


def test_what_cannot_be_looked_at_is_refused(source: Cohort, model: Bundle, make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two or more cohorts"):
        write_feature_views(FeatureRequest(model, [source], tmp_path / "out"))
    stranger = make("stranger")
    (stranger.source.parent / "labels.tsv").write_text("index\tname\n1\tpons\n2\tvermis\n")
    with pytest.raises(InputError, match="none of the model's labels"):
        joined_features(model, [open_cohort(stranger.source)], model.info.recipe.preparation, 40)


def test_another_network_has_no_such_features(source: Cohort, tmp_path: Path) -> None:
    recipe = load_recipe(
        "default",
        ["network.channels=[4,8]", "sampling.patch_size=[16,16,16]", "budget=1steps", "validation.hold_out=0",
         "compute.device=cpu", "compute.precision=fp32", "compute.channels_last=false", "compute.threads=1"],
    )  # fmt: skip
    train_model(TrainingRequest(source, recipe, tmp_path / "unet"))
    with pytest.raises(InputError, match="unet3d"):
        triplanar_of(open_bundle(tmp_path / "unet"))
