import numpy as np
import pytest
import torch

from neurograft.imaging.context import Context
from neurograft.recipes.schema import TaskConfig
from neurograft.sampling.batches import Batch
from neurograft.tasks import AutoencodingTask, build_task, with_context
from neurograft.tasks.hiding import hidden_cubes


def batch_of(image: torch.Tensor, seed: int = 5) -> Batch:
    target = torch.zeros((len(image), *image.shape[2:]), dtype=torch.int64)
    return Batch(image, target, ("a",) * len(image), seed=seed)


def images(seed: int = 0, shape: tuple[int, ...] = (2, 2, 8, 8, 8)) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_rows_are_the_channels_under_names_that_no_label_has() -> None:
    task = build_task(TaskConfig(kind="autoencoding"), ["T1"], ["T1", "T2"])
    assert task.outputs == ("intensity of T1", "intensity of T2")
    assert (task.figure.better, task.figure.is_better(0.1, than=0.2)) == ("lower", True)


@pytest.mark.parametrize(("error", "expected"), [("absolute", 2.0), ("squared", 4.0)])
def test_plain_error_by_hand(error, expected) -> None:
    task = AutoencodingTask(TaskConfig(kind="autoencoding", reconstruction_error=error), ["a", "b"])
    batch = batch_of(images())
    assert torch.equal(task.network_input(batch), batch.image)
    assert task.batch_loss({"main": batch.image}, batch).item() == 0
    sign = torch.where(images(1) > 0, 2.0, -2.0)
    assert task.batch_loss({"main": batch.image + sign}, batch).item() == pytest.approx(expected)


@pytest.mark.parametrize("error", ["absolute", "squared"])
def test_only_hidden_voxels_count_and_the_network_does_not_see_them(error) -> None:
    config = TaskConfig(kind="masked_autoencoding", reconstruction_error=error, hidden_share=0.3, hidden_cube_voxels=2)
    task = AutoencodingTask(config, ["a", "b"])
    batch, answer = batch_of(images()), images(1)
    mask = hidden_cubes(batch.image, 2, 0.3, batch.seed)
    seen = task.network_input(batch)
    assert torch.equal((seen != batch.image).any(1, keepdim=True), mask)
    counted = mask.expand_as(answer).numpy()
    difference = (answer - batch.image).numpy()[counted]
    expected = np.abs(difference).mean() if error == "absolute" else np.square(difference).mean()
    assert task.batch_loss({"main": answer}, batch).item() == pytest.approx(expected, rel=1e-5)
    visible_changed = torch.where(mask, answer, answer + 9)
    assert task.batch_loss({"main": visible_changed}, batch).item() == pytest.approx(expected, rel=1e-5)
    other = task.network_input(batch_of(images(), seed=6))
    assert not torch.equal(other, seen), "the batch's seed decides"


def test_the_answer_is_held_against_its_own_part_of_what_was_read() -> None:
    context = Context(before=(1, 0, 2), after=(1, 3, 0))
    plain = with_context(AutoencodingTask(TaskConfig(kind="autoencoding"), ["a"]), context)
    masked = TaskConfig(kind="masked_autoencoding", hidden_cube_voxels=2)
    batch = batch_of(images(shape=(1, 1, 8, 9, 7)))
    inside = batch.image[:, :, 1:7, 0:6, 2:7]
    for task in (plain, with_context(AutoencodingTask(masked, ["a"]), context)):
        assert task.batch_loss({"main": inside}, batch).item() == 0
        assert task.batch_loss({"main": inside + 1}, batch).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("section", "match"),
    [
        ({"kind": "autoencoding", "boundary_weight": 1.0}, "task.boundary_weight is for task.kind: segmentation"),
        ({"kind": "classification", "age_weight": 1.0}, "task.age_weight is for"),
        ({"kind": "masked_autoencoding", "deep_supervision_weights": [1, 1]}, "deep_supervision_weights is for"),
        ({"adversary": {"weight": 0.1}}, "judges reconstructions"),
        ({"kind": "masked_autoencoding", "hidden_share": 1.0}, "less than 1"),
    ],
)
def test_settings_of_another_kind_are_refused(section, match) -> None:
    with pytest.raises(ValueError, match=match):
        TaskConfig(**section)
