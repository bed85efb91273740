"""From the codes of a target to a mask for each label: where background is not known to be free of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from neurograft.imaging.labels import IGNORE
from neurograft.sampling.augmentation.spatial import SpatialDraw
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.patches import PatchDraw


def split_unknown(
    targets: Tensor,
    cases: Sequence[TrainingCase],
    patch_draws: Sequence[PatchDraw],
    spatial_draws: Sequence[SpatialDraw],
    mirror_pairs: Sequence[tuple[int, int]] = (),
    mirror_axis: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """Take codes out of targets.

    Args:
        targets: (N, d, h, w) int64, with codes of each patch's case.
        cases: what the patch draws index.
        patch_draws: one for each patch.
        spatial_draws: likewise; a flip of ``mirror_axis`` exchanges the labels of each pair.
        mirror_pairs: classes of the left and right of one structure.
        mirror_axis: the array axis that runs from left to right.

    Returns:
        The targets with 0 in place of every code; and bool (N, labels, d, h, w), true where the voxel is
        not known to be free of the label, or ``None`` where no case of the batch has codes. `IGNORE` stays
        in the targets and is false in the mask.
    """
    tables = [cases[patch.case].unknown for patch in patch_draws]
    labels = next((table.shape[1] for table in tables if table is not None), 0)
    if not labels:
        return targets, None
    unknown = torch.zeros((len(targets), labels, *targets.shape[1:]), dtype=torch.bool, device=targets.device)
    for number, (table, spatial) in enumerate(zip(tables, spatial_draws, strict=True)):
        if table is None:
            continue
        order = list(range(labels))
        if spatial.flips[mirror_axis]:
            for left, right in mirror_pairs:
                order[left - 1], order[right - 1] = right - 1, left - 1
        # Row 0, where no label is open, is that of all classes that are no codes.
        rows = torch.cat([torch.zeros_like(table[:1]), table])[:, order].to(targets.device)
        unknown[number] = rows[(IGNORE - targets[number]).clamp(min=0)].movedim(-1, 0)
    return torch.where(targets < IGNORE, 0, targets), unknown
