import pytest
import torch

from neurograft.tasks.age import AgeScale, age_loss, scheduled_weight


def test_scale_of_ages_by_hand() -> None:
    assert AgeScale.of([38.0, 40.0, 42.0]) == AgeScale(40.0, 2.0)


@pytest.mark.parametrize("ages", [[40.0], [40.0, 40.0]])
def test_ages_without_spread_are_only_shifted(ages) -> None:
    assert AgeScale.of(ages) == AgeScale(40.0, 1.0)


def test_scale_there_and_back() -> None:
    scale, ages = AgeScale(40.0, 2.5), torch.tensor([26.71, 40.0, 45.14])
    assert torch.allclose(scale.to_age(scale.to_network(ages)), ages)
    assert scale.to_network(torch.tensor([42.5])).item() == pytest.approx(1.0)
    assert AgeScale(**scale.to_dict()) == scale


def test_loss_in_both_units() -> None:
    scale = AgeScale(40.0, 2.0)
    predicted, ages = torch.tensor([0.0, 1.0]), torch.tensor([41.0, 42.0])
    assert age_loss(predicted, ages, scale, "sd").item() == pytest.approx(0.125)
    assert age_loss(predicted, ages, scale, "covariate").item() == pytest.approx(0.5)
    assert age_loss(predicted.bfloat16(), ages, scale, "sd").dtype == torch.float32


def test_schedules() -> None:
    assert [scheduled_weight(2.0, "rising", progress) for progress in (0.0, 0.5, 1.0)] == [0.0, 1.0, 2.0]
    assert [scheduled_weight(2.0, "constant", progress) for progress in (0.0, 1.0)] == [2.0, 2.0]
