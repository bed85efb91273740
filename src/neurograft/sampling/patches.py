"""Where a training step's patches lie: which case, and where in it.

A patch of size ``p`` that starts at voxel ``s`` has its centre at ``s + (p - 1) / 2``, so the centre
of an even-sized patch lies between two voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import SamplingConfig
from neurograft.sampling.examples import TrainingCase


@dataclass(frozen=True)
class PatchDraw:
    """One patch's place.

    Args:
        case: index into the sequence of cases.
        centre: voxel coordinates of the patch's centre.
        target_voxel: the voxel that the patch was placed to contain, of the target or, in a case of which
            only a part is annotated, of that part; ``None`` when the patch was placed anywhere.
    """

    case: int
    centre: tuple[float, float, float]
    target_voxel: tuple[int, int, int] | None = None


def draw_patches(
    cases: Sequence[TrainingCase], count: int, config: SamplingConfig, generator: torch.Generator
) -> list[PatchDraw]:
    """Draw patches: a subject, then one of its cases, then a place in it.

    Every subject is as likely, unless ``config.by_quality`` wants those with better labels more often.

    With ``config.target_probability`` the patch contains a target voxel: one of the classes present in
    the case is drawn, then one of its voxels, then the voxel's offset in the patch, uniformly over the
    offsets that keep the patch inside of the image. Otherwise, and in cases without any target, every
    position inside of the image is as likely; but in a case of which only a part is annotated, the patch
    contains, with ``config.annotated_probability``, an annotated voxel, drawn from all of them. Along an
    axis where the image is smaller than the patch the patch is centred on the image.

    Args:
        cases: at least one.
        count: patches to draw, with replacement.
        config: patch size in voxels and the chances of a target and of an annotated voxel.
        generator: the only source of randomness; on the CPU.

    Returns:
        ``count`` draws.
    """
    cases_by_subject: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        cases_by_subject.setdefault(case.subject, []).append(index)
    subjects = list(cases_by_subject.values())
    chances = None
    if config.by_quality:
        qualities = [sum(cases[index].quality for index in indices) / len(indices) for indices in subjects]
        chances = torch.tensor(qualities, dtype=torch.float64)
    return [_draw_patch(cases, subjects, config, generator, chances) for _ in range(count)]


def _draw_patch(
    cases: Sequence[TrainingCase],
    subjects: list[list[int]],
    config: SamplingConfig,
    generator: torch.Generator,
    chances: torch.Tensor | None,
) -> PatchDraw:
    if chances is None or not chances.any():
        subject = _draw_integer(0, len(subjects) - 1, generator)
    else:
        subject = int(torch.multinomial(chances, 1, generator=generator))
    cases_of_subject = subjects[subject]
    index = cases_of_subject[_draw_integer(0, len(cases_of_subject) - 1, generator)]
    case = cases[index]
    voxel = None
    if _draw_share(generator) < config.target_probability and case.voxels_by_class:
        voxel = _draw_target_voxel(case, generator)
    elif case.is_partly_annotated and _draw_share(generator) < config.annotated_probability:
        voxel = _draw_annotated_voxel(case, generator)
    centre = []
    for axis, (length, size) in enumerate(zip(case.shape, config.patch_size, strict=True)):
        if length <= size:
            start = -((size - length) // 2)
        elif voxel is None:
            start = _draw_integer(0, length - size, generator)
        else:
            start = _draw_integer(max(0, voxel[axis] - size + 1), min(length - size, voxel[axis]), generator)
        centre.append(start + (size - 1) / 2)
    return PatchDraw(index, (centre[0], centre[1], centre[2]), voxel)


def _draw_target_voxel(case: TrainingCase, generator: torch.Generator) -> tuple[int, int, int]:
    groups = list(case.voxels_by_class.values())
    voxels = groups[_draw_integer(0, len(groups) - 1, generator)]
    flat = int(voxels[_draw_integer(0, len(voxels) - 1, generator)])
    _, height, width = case.shape
    return flat // (height * width), flat // width % height, flat % width


def _draw_annotated_voxel(case: TrainingCase, generator: torch.Generator) -> tuple[int, int, int]:
    """One of all annotated voxels; only counts are kept, because their places may be those of a whole volume."""
    until = case.annotated_by_plane.cumsum(0)
    number = _draw_integer(0, int(until[-1]) - 1, generator)
    plane = int(torch.searchsorted(until, number, right=True))
    before = int(until[plane - 1]) if plane else 0
    row, column = torch.nonzero(case.target[plane] != IGNORE)[number - before].tolist()
    return plane, row, column


def _draw_integer(low: int, high: int, generator: torch.Generator) -> int:
    """One whole number from ``low`` to ``high``, both included."""
    return int(torch.randint(low, high + 1, (1,), generator=generator))


def _draw_share(generator: torch.Generator) -> float:
    return float(torch.rand(1, generator=generator, dtype=torch.float64))
