"""From draws to patches: one interpolation straight out of the full volume.

Cut, rotation, zoom, flips and elastic deformation make one coordinate for each voxel of the patch, so
nothing is interpolated twice and a rotated patch has the volume's own content in its corners. Around the
patch that is learnt the image shows the network's context. Outside of the volume lie background and what
the context says, which is the image's smallest value, channel by channel, unless told otherwise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from neurograft.imaging.context import Context
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import Size, Triple
from neurograft.sampling.augmentation.spatial import SpatialDraw, elastic_displacement, sampling_matrix
from neurograft.sampling.examples import Layer, TrainingCase
from neurograft.sampling.interpolation import interpolate, with_surroundings
from neurograft.sampling.patches import PatchDraw

NO_CONTEXT = Context()


def extract(
    cases: Sequence[TrainingCase],
    patch_draws: Sequence[PatchDraw],
    spatial_draws: Sequence[SpatialDraw],
    patch_size: Size,
    mirror_pairs: Sequence[tuple[int, int]] = (),
    device: torch.device | str = "cpu",
    spacing_mm: Triple = (1.0, 1.0, 1.0),
    mirror_axis: int = 0,
    context: Context = NO_CONTEXT,
) -> tuple[Tensor, Tensor]:
    """Cut the drawn patches with the drawn geometry.

    Images are interpolated linearly, targets and maps to make images from by nearest neighbour. A draw that
    changes nothing, or only flips, gives back the volume's own values, bit for bit. When a patch was placed
    to contain a target voxel that rotation or zoom would push out of it, the patch moves by as much as brings
    it back.

    Args:
        cases: what the patch draws index.
        patch_draws: where each patch lies.
        spatial_draws: the geometry of each, one for each patch draw.
        patch_size: voxels (d, h, w) of the target.
        mirror_pairs: classes that change places when ``mirror_axis`` is flipped (left and right of a structure).
        device: where to interpolate and to leave the patches; cases may lie elsewhere, only the box that a
            patch touches is moved.
        spacing_mm: of the volumes; only its ratios matter.
        mirror_axis: the array axis that runs from left to right.
        context: what the image shows around the target.

    Returns:
        Images (N, C, *context.block(patch_size)) float32, the map to make images from first where the cases
        have one, and targets (N, d, h, w) int64, which hold the cases' codes as they are.
    """
    device = torch.device(device)
    channels = sum(len(layer.volume) for layer in cases[0].layers)
    images = torch.empty((len(patch_draws), channels, *context.block(patch_size)), dtype=torch.float32, device=device)
    targets = torch.empty((len(patch_draws), *patch_size), dtype=torch.int64, device=device)
    for number, (patch, spatial) in enumerate(zip(patch_draws, spatial_draws, strict=True)):
        case = cases[patch.case]
        starts = [middle - (size - 1) / 2 for middle, size in zip(patch.centre, patch_size, strict=True)]
        if spatial.keeps_the_voxel_grid and all(start.is_integer() for start in starts):
            whole = [int(start) for start in starts]
            for layer, part in _parts(case, images[number]):
                _cut_image(layer, whole, spatial, part, context)
            _cut_target(case, whole, spatial, targets[number])
        else:
            _warp(case, patch, spatial, spacing_mm, images[number], targets[number], context)
        if spatial.flips[mirror_axis]:
            if mirror_pairs:
                targets[number] = _swap_sides(targets[number], mirror_pairs)
            if case.prior_channels:
                # What the prior says of the left is said of the right now, as in the target.
                prior = images[number, -case.prior_channels :]
                prior.copy_(prior[list(case.mirrored_prior)])
    return images, targets


def _parts(case: TrainingCase, image: Tensor) -> list[tuple[Layer, Tensor]]:
    """The layers of a case, and the channels of a patch that each fills."""
    layers = case.layers
    return list(zip(layers, image.split([len(layer.volume) for layer in layers]), strict=True))


def _cut_image(layer: Layer, starts: Sequence[int], spatial: SpatialDraw, image: Tensor, context: Context) -> None:
    """Fill ``image`` by slicing; a mirrored axis has what comes before the patch after it."""
    before = [a if flip else b for b, a, flip in zip(context.before, context.after, spatial.flips, strict=True)]
    first = [start - margin for start, margin in zip(starts, before, strict=True)]
    inside, source = _overlap(first, image.shape[1:], layer.shape)
    if context.outside == "edge":
        part = layer.volume
        for axis, (start, size, length) in enumerate(zip(first, image.shape[1:], layer.shape, strict=True)):
            nearest = torch.arange(start, start + size).clamp(0, length - 1)
            part = part.index_select(axis + 1, nearest)
        image.copy_(part)
    else:
        if any(part.stop - part.start < size for part, size in zip(inside, image.shape[1:], strict=True)):
            image.copy_(_outside(layer, context).expand_as(image))
        image[:, *inside] = layer.volume[:, *source].to(image)
    mirrored = [axis + 1 for axis, flip in enumerate(spatial.flips) if flip]
    if mirrored:
        image.copy_(image.flip(mirrored))


def _cut_target(case: TrainingCase, starts: Sequence[int], spatial: SpatialDraw, target: Tensor) -> None:
    """Fill ``target`` by slicing."""
    inside, source = _overlap(starts, target.shape, case.shape)
    if any(part.stop - part.start < size for part, size in zip(inside, target.shape, strict=True)):
        target.zero_()
    target[inside] = case.target[source].to(target)
    mirrored = [axis for axis, flip in enumerate(spatial.flips) if flip]
    if mirrored:
        target.copy_(target.flip(mirrored))


def _overlap(starts: Sequence[int], sizes: Sequence[int], shape: Size) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """What a box and a volume share, in the box's voxels and in the volume's."""
    inside, source = [], []
    for start, size, length in zip(starts, sizes, shape, strict=True):
        first, last = max(start, 0), min(start + size, length)
        source.append(slice(first, max(first, last)))
        inside.append(slice(first - start, max(first, last) - start))
    return tuple(inside), tuple(source)


def _outside(layer: Layer, context: Context) -> Tensor:
    """(C, 1, 1, 1): what lies beyond a volume that does not go on with its edge."""
    values = torch.zeros_like(layer.minimum) if context.outside == "zero" else layer.minimum
    return values[:, None, None, None]


def _warp(
    case: TrainingCase,
    patch: PatchDraw,
    spatial: SpatialDraw,
    spacing_mm: Triple,
    image: Tensor,
    target: Tensor,
    context: Context,
) -> None:
    """Fill ``image`` and ``target`` by interpolating the box of the volume that the patch touches."""
    matrix = sampling_matrix(spatial, spacing_mm)
    shift = -(matrix @ torch.tensor(spatial.translation_voxels, dtype=torch.float64))
    control_points = None
    if spatial.control_points is not None:
        control_points = torch.einsum("ij,j...->i...", matrix, spatial.control_points.double())
    flips = torch.tensor([-1.0 if flip else 1.0 for flip in spatial.flips], dtype=torch.float64)
    matrix = matrix * flips
    half = (torch.tensor(target.shape, dtype=torch.float64) - 1) / 2
    before = torch.tensor(context.before)
    centre = _centre_with_target(patch, matrix, shift, half) + shift

    # From the voxel before the centre, so that float32 places in a large volume keep their digits.
    origin = centre.floor()
    size = (image.shape[1], image.shape[2], image.shape[3])
    coordinates = _coordinates(matrix, centre - origin, -half - before, size, image.device)
    if control_points is not None:
        coordinates += elastic_displacement(
            control_points.float().to(image.device), spatial.control_spacing_voxels, size
        )
    # Without elastic displacement the outermost places are those of the block's corners.
    outermost = coordinates if control_points is not None else _corners(coordinates)
    starts, stops, reaches_out = _touched_box(case.shape, origin, outermost)
    box = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    source_target = case.target[box][None].to(image.device)
    # A box that is cut off has a voxel more at its start, for what lies around.
    moves = [middle - start + reaches_out for middle, start in zip(origin.tolist(), starts, strict=True)]
    coordinates += torch.tensor(moves, dtype=torch.float32).to(image.device)[:, None, None, None]
    answer = tuple(slice(first, first + length) for first, length in zip(context.before, target.shape, strict=True))
    if reaches_out:
        source_target = with_surroundings(source_target, source_target.new_zeros((1, 1, 1, 1)))
    interpolate(source_target, coordinates[:, *answer], "nearest", target[None])
    for layer, part in _parts(case, image):
        source = layer.volume[(slice(None), *box)].to(image)
        if reaches_out:
            beyond = None if context.outside == "edge" else _outside(layer, context)
            source = with_surroundings(source, beyond)
        interpolate(source, coordinates, layer.interpolation, part)


def _centre_with_target(patch: PatchDraw, matrix: Tensor, shift: Tensor, half: Tensor) -> Tensor:
    """The patch's centre, moved as little as keeps its target voxel inside (elastic displacement aside)."""
    centre = torch.tensor(patch.centre, dtype=torch.float64)
    if patch.target_voxel is None:
        return centre
    voxel = torch.tensor(patch.target_voxel, dtype=torch.float64)
    offset = torch.linalg.solve(matrix, voxel - centre - shift)
    kept = offset.clamp(-half, half)
    return centre if torch.equal(kept, offset) else voxel - shift - matrix @ kept


def _touched_box(shape: Size, origin: Tensor, coordinates: Tensor) -> tuple[list[int], list[int], bool]:
    """Start and stop of the voxels that places lie between, clipped to the volume, and whether any lies beyond them.

    Of a volume that no place lies in, the voxel that is nearest to all.
    """
    low, high = torch.stack([coordinates.amin((1, 2, 3)), coordinates.amax((1, 2, 3))]).cpu()
    wanted_starts = (origin + low.floor()).long().tolist()
    wanted_stops = (origin + high.floor() + 2).long().tolist()
    starts = [min(max(0, start), length - 1) for length, start in zip(shape, wanted_starts, strict=True)]
    stops = [max(1, min(length, stop)) for length, stop in zip(shape, wanted_stops, strict=True)]
    return starts, stops, starts != wanted_starts or stops != wanted_stops


def _corners(coordinates: Tensor) -> Tensor:
    """The first and last places along each axis of (3, d, h, w)."""
    depth, height, width = (max(1, length - 1) for length in coordinates.shape[1:])
    return coordinates[:, ::depth, ::height, ::width]


def _coordinates(matrix: Tensor, origin: Tensor, first: Tensor, size: Size, device: torch.device) -> Tensor:
    """(3, d, h, w) float32: where each voxel of a block lies, in voxels of the volume from some voxel on.

    Args:
        matrix: from offsets in the patch to offsets in the volume.
        origin: the patch's centre, from the same voxel.
        first: offset of the block's first voxel from it.
        size: the block's voxels.
        device: where to put the result.
    """
    along = [
        (matrix[:, axis, None] * (torch.arange(size[axis], dtype=torch.float64) + first[axis])) for axis in range(3)
    ]
    along[0] = along[0] + origin[:, None]
    depth, height, width = (part.float().to(device) for part in along)
    return (depth[:, :, None, None] + height[:, None, :, None]) + width[:, None, None, :]


def _swap_sides(target: Tensor, mirror_pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Exchange the classes of each pair."""
    lowest = min(int(target.min()), IGNORE)
    largest = max(int(target.max()), *(max(pair) for pair in mirror_pairs))
    partner = torch.arange(lowest, largest + 1)
    for left, right in mirror_pairs:
        partner[left - lowest], partner[right - lowest] = right, left
    return partner.to(target.device)[target - lowest]
