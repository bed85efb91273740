from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from neurograft.cohorts import Case
from neurograft.inference.ages import AgeReader, collected_ages
from neurograft.models import AgeInfo
from neurograft.networks.residual_unet3d import ResidualUNet3d


def network(seed: int = 0) -> ResidualUNet3d:
    torch.manual_seed(seed)
    return ResidualUNet3d(1, 2, (2, 3, 4), age_head="paper").eval()


def case(name: str, age: str = "") -> Case:
    return Case(name, name, None, {"image": Path("none.nii.gz")}, covariates={"age": age} if age else {})


@pytest.fixture
def bundle(threshold_bundle, tmp_path):
    """Any bundle, with a scale of ages."""
    plain = threshold_bundle(tmp_path / "model")
    age = AgeInfo(covariate="age", mean=40.0, sd=2.0, training_mean=41.0)
    return replace(plain, info=plain.info.model_copy(update={"age": age}))


def test_collected_ages_are_those_of_the_outputs() -> None:
    model = network()
    images = torch.randn((3, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.outputs(images)["age"].tolist()
        with collected_ages(model) as values:
            model(images[:2])
            model(images[2:])
        model(images)
    assert values == pytest.approx(expected, abs=1e-5)


def test_mean_over_windows_and_models_in_the_covariates_unit(bundle, tmp_path) -> None:
    models = [network(0), network(1)]
    older = replace(
        bundle,
        info=bundle.info.model_copy(update={"age": AgeInfo(covariate="age", mean=50.0, sd=1.0, training_mean=41.0)}),
    )
    reader = AgeReader(tmp_path / "ages.tsv", [bundle, older], models)
    images = torch.randn((3, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        said = [model.outputs(images)["age"] for model in models]
        with reader.reading(case("a", "44.5")):
            for model in models:
                model(images)
    row = pd.read_csv(tmp_path / "ages.tsv", sep="\t").iloc[0]
    in_weeks = [40 + 2 * said[0], 50 + said[1]]
    assert row["age"] == pytest.approx(float((in_weeks[0].mean() + in_weeks[1].mean()) / 2), abs=1e-3)
    assert row["windows"] == 6
    assert row["sd_over_windows"] == pytest.approx(float(torch.cat(in_weeks).std()), abs=1e-3)
    assert row["reference"] == 44.5


def test_table_is_continued_and_a_case_read_again_replaced(bundle, tmp_path) -> None:
    model = network()
    file = tmp_path / "ages.tsv"
    first = AgeReader(file, [bundle], [model])
    assert not first.knows(case("01"))
    for shift in (0.0, 1.0):
        with torch.no_grad(), first.reading(case("01")):
            model(torch.full((1, 1, 8, 8, 8), shift))
    later = AgeReader(file, [bundle], [model])
    assert later.knows(case("01"))
    assert not later.knows(case("1"))
    with torch.no_grad(), later.reading(case("02")):
        model(torch.zeros(1, 1, 8, 8, 8))
    table = pd.read_csv(file, sep="\t", dtype={"case": str})
    assert list(table["case"]) == ["01", "02"]


def test_models_without_an_age_read_nothing(bundle, tmp_path) -> None:
    silent = replace(bundle, info=bundle.info.model_copy(update={"age": None}))
    reader = AgeReader(tmp_path / "ages.tsv", [silent], [network()])
    assert reader.knows(case("a"))
    with reader.reading(case("a")):
        pass
    reader.write_errors(tmp_path / "age_errors.tsv")
    assert list(tmp_path.glob("*.tsv")) == []


def test_a_collapse_is_said(bundle, tmp_path, caplog) -> None:
    model = network()
    torch.nn.init.zeros_(model.age.linear.weight)
    torch.nn.init.zeros_(model.age.linear.bias)
    reader = AgeReader(tmp_path / "ages.tsv", [bundle], [model])
    for name, age in (("a", "38"), ("b", "40"), ("c", "45"), ("d", "")):
        with torch.no_grad(), reader.reading(case(name, age)):
            model(torch.zeros(1, 1, 8, 8, 8))
    reader.write_errors(tmp_path / "age_errors.tsv")
    errors = pd.read_csv(tmp_path / "age_errors.tsv", sep="\t").iloc[0]
    assert errors["n"] == 3
    assert errors["mae"] == pytest.approx((2 + 0 + 5) / 3)
    assert errors["baseline_mae"] == pytest.approx((3 + 1 + 4) / 3)
    assert "about the same age to everyone" in caplog.text
