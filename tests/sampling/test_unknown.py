"""What nobody annotated stays so through every geometric change, and stays tied to its voxels."""

import numpy as np
import pytest
import torch

from neurograft.imaging.labels import IGNORE
from neurograft.imaging.partial_classes import decode_open_labels
from neurograft.recipes.schema import AugmentationConfig, SamplingConfig
from neurograft.sampling.augmentation.spatial import SpatialDraw
from neurograft.sampling.batches import PatchBatches
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.extraction import extract
from neurograft.sampling.patches import PatchDraw
from neurograft.sampling.unknown import split_unknown

SIZE = (16, 14, 12)
MIDDLE = tuple((length - 1) / 2 for length in SIZE)
TABLE = torch.tensor([[True, False, False], [False, True, True], [True, True, False]])
SPATIAL = {
    "nothing": SpatialDraw(),
    "flips": SpatialDraw(flips=(True, False, True)),
    "rotation": SpatialDraw(rotation_radians=(0.3, -0.2, 0.5)),
    "zoom": SpatialDraw(scale=(0.8, 1.3, 1.1)),
    "elastic": SpatialDraw(
        control_points=3 * torch.randn(3, 6, 6, 6, generator=torch.Generator().manual_seed(0)),
        control_spacing_voxels=6.0,
    ),
    "all": SpatialDraw(
        rotation_radians=(0.3, -0.2, 0.5),
        scale=(0.8, 1.3, 1.1),
        flips=(True, True, False),
        control_points=3 * torch.randn(3, 6, 6, 6, generator=torch.Generator().manual_seed(1)),
        control_spacing_voxels=6.0,
    ),
}


def _case(target: torch.Tensor, table: torch.Tensor | None = None, case_id: str = "a") -> TrainingCase:
    return TrainingCase(case_id, case_id, torch.zeros(1, *target.shape), target.to(torch.int16), unknown=table)


def _extract(target: torch.Tensor, spatial: SpatialDraw, table: torch.Tensor | None = None, pairs=()):
    case, patch = _case(target, table), [PatchDraw(0, MIDDLE)]
    found = extract([case], patch, [spatial], SIZE, pairs)[1]
    return split_unknown(found, [case], patch, [spatial], pairs)


@pytest.mark.parametrize("name", SPATIAL)
def test_ignored_voxels_go_where_a_class_in_their_place_would(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 3, SIZE, generator=generator)
    slices = torch.zeros(SIZE, dtype=torch.bool)
    slices[:, ::3] = True
    partial = torch.where(slices, target, IGNORE)
    moved, unknown = _extract(partial, SPATIAL[name])
    assert unknown is None
    # Class 7 stands for "not annotated" in a map that knows of nothing special.
    stand_in = _extract(torch.where(slices, target, 7), SPATIAL[name])[0]
    assert torch.equal(moved == IGNORE, stand_in == 7)
    assert torch.equal(moved[moved != IGNORE], stand_in[stand_in != 7])
    assert 0.3 < (moved == IGNORE).float().mean() < 0.9
    assert set(moved.unique().tolist()) == {IGNORE, 0, 1, 2}


@pytest.mark.parametrize("name", SPATIAL)
def test_masks_of_open_labels_move_as_each_would_alone(name: str) -> None:
    coded = torch.randint(-4, 4, SIZE, generator=torch.Generator().manual_seed(2))
    pairs = [(1, 2)]
    target, unknown = _extract(coded, SPATIAL[name], TABLE, pairs)
    assert unknown is not None
    assert unknown.shape == (1, 3, *SIZE)
    known, masks = decode_open_labels(coded.numpy().astype(np.int16), TABLE.numpy(), 3)
    order = [1, 0, 2] if SPATIAL[name].flips[0] else [0, 1, 2]
    for row, source in enumerate(order):
        alone = torch.from_numpy(masks[source] & (coded.numpy() != IGNORE)).long() * 3
        expected = _extract(alone, SPATIAL[name])[0] == 3
        assert torch.equal(unknown[:, row], expected), row
    classes = torch.where(coded == IGNORE, IGNORE, torch.from_numpy(known).long())
    assert torch.equal(target, _extract(classes, SPATIAL[name], pairs=pairs)[0])


def test_a_batch_of_cases_with_and_without_codes() -> None:
    cases = [_case(torch.full(SIZE, -3), TABLE, "coded"), _case(torch.full(SIZE, 1), None, "plain")]
    sampling = SamplingConfig(patch_size=(8, 8, 8), batch_size=12)
    augmentation = AugmentationConfig(flip_axes=("left-right",))
    batch = PatchBatches(cases, sampling, augmentation, mirror_pairs=[(1, 3)]).batch(0)
    assert batch.unknown is not None
    rows = set()
    for number, case_id in enumerate(batch.case_ids):
        if case_id == "plain":
            assert not batch.unknown[number].any()
        else:
            rows |= {tuple(row) for row in batch.unknown[number].flatten(1).T.tolist()}
    # Corners that a rotation fetches from outside of the volume are background, free of every label.
    assert rows - {(False, False, False)} == {(False, True, True), (True, True, False)}
    assert (batch.target >= IGNORE).all()
    dense = PatchBatches(cases[1:], sampling, augmentation, mirror_pairs=[(1, 3)]).batch(0)
    assert dense.unknown is None
