import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.errors import InputError
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import TaskConfig
from neurograft.sampling.batches import Batch
from neurograft.tasks import ClassificationTask, build_task
from neurograft.tasks.classification import shown_labels


@settings(max_examples=80, deadline=None)
@given(
    cells=st.lists(st.integers(IGNORE, 3), min_size=8, max_size=8),
    open_cells=st.lists(st.booleans(), min_size=24, max_size=24),
    from_voxels=st.integers(1, 4),
)
def test_known_is_what_no_filling_in_could_change(cells, open_cells, from_voxels) -> None:
    target = torch.tensor(cells).view(1, 2, 2, 2)
    unknown = torch.tensor(open_cells).view(1, 3, 2, 2, 2) & (target == 0).unsqueeze(1)
    shown, known = shown_labels(target, unknown, 3, from_voxels)
    for label in range(1, 4):
        drawn = sum(cell == label for cell in cells)
        may_be = [cell == IGNORE or bool(unknown[0, label - 1].flatten()[i]) for i, cell in enumerate(cells)]
        answers = {count >= from_voxels for count in (drawn, drawn + sum(may_be))}
        assert bool(known[0, label - 1]) == (len(answers) == 1)
        assert bool(shown[0, label - 1]) == (drawn >= from_voxels)


def test_cross_entropy_by_hand() -> None:
    target = torch.zeros((2, 1, 2, 2), dtype=torch.int64)
    target[0, 0, 0, 0] = 2
    target[1] = IGNORE
    task = ClassificationTask(TaskConfig(kind="classification"), ["a", "b"])
    logits = torch.tensor([[1.0, 3.0], [50.0, -50.0]])
    loss = task.batch_loss({"main": logits}, Batch(torch.zeros(2, 1, 1, 2, 2), target, ("x", "y")))
    expected = (math.log1p(math.exp(1.0)) + math.log1p(math.exp(-3.0))) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5), "the second patch is not annotated"
    assert task.outputs == ("presence of a", "presence of b")


def test_nothing_known_costs_nothing() -> None:
    target = torch.full((1, 2, 2, 2), IGNORE)
    task = ClassificationTask(TaskConfig(kind="classification"), ["a"])
    logits = torch.ones((1, 1), requires_grad=True)
    loss = task.batch_loss({"main": logits}, Batch(torch.zeros(1, 1, 2, 2, 2), target, ("x",)))
    loss.backward()
    assert loss.item() == 0
    assert np.array_equal(logits.grad, [[0.0]])


def test_labels_are_needed() -> None:
    with pytest.raises(InputError, match="classification learns labels, and none is named"):
        build_task(TaskConfig(kind="classification"), [], ["image"])
