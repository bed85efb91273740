"""Which part of an image to segment: all of it, a box around the truth, or one that a coarse pass has found.

P1 segments small cohorts in one patch around the centre of the true structure (SPEC section 1).
That centre comes from the label that the result is scored against, so an *oracle* region flatters
every figure, and carries a flag. A *predicted* region is its honest counterpart: a coarse pass over
the whole image says where the structures are, a fine pass segments a box around them. Whenever
the coarse pass leaves a doubt, the whole image is segmented, so that a doubt costs time and never
a structure.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.errors import InputError
from neurograft.imaging.cropping import Box, box_holding, centred_box, crop
from neurograft.imaging.grid import Grid, Shape
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.preparation import PreparedImage, prepare_classes
from neurograft.imaging.volume import Volume
from neurograft.inference.postprocessing import least_voxels
from neurograft.recipes.schema import InferenceConfig, PostprocessingConfig

RegionKind = Literal["whole", "oracle", "predicted", "prior"]

GROWTH_LIMIT = 2
"""How many times ``region_size`` a predicted region may measure along an axis before it is thought mistaken."""


@dataclass(frozen=True)
class Region:
    """The part of a prepared image that was segmented.

    Attributes:
        kind: what was asked for.
        box: in voxels of the prepared image; ``None`` is all of it.
        fallback: why the whole image was taken although a box was asked for, in two words.
        reason: the same in a sentence.
    """

    kind: RegionKind = "whole"
    box: Box | None = None
    fallback: Literal["", "locator unsure", "reference empty"] = ""
    reason: str = ""

    @property
    def is_oracle(self) -> bool:
        """Whether the truth was looked at."""
        return self.kind == "oracle"

    @property
    def words(self) -> str:
        """What tables say: ``whole``, ``oracle``, ``predicted``, ``prior`` or ``whole (locator unsure)``."""
        if self.fallback:
            return f"whole ({self.fallback})"
        if self.kind == "prior":
            return self.kind
        return self.kind if self.box is not None else "whole"


WHOLE = Region()


@dataclass(frozen=True)
class Truth:
    """A reference label map, from which an oracle takes the place of the structure.

    Attributes:
        volume: on the grid of the image's files.
        labels: the labels whose common centre counts.
    """

    volume: Volume
    labels: LabelTable


@dataclass(frozen=True)
class Part:
    """A connected component of a coarse pass's answer.

    Attributes:
        label: number of its label, 0 for the first.
        box: its voxels' extent.
        centre: mean position of its voxels, weighted by their probabilities.
        weight: the sum of these probabilities.
    """

    label: int
    box: Box
    centre: tuple[float, float, float]
    weight: float

    def mapped(self, voxel_map: NDArray[np.float64]) -> "Part":
        """The part on another grid, by an affine (4, 4) from indices here to indices there."""
        first, second, third = (voxel_map @ [*self.centre, 1.0])[:3].tolist()
        return replace(self, box=self.box.mapped(voxel_map), centre=(first, second, third))


@dataclass(frozen=True)
class CoarseAnswer:
    """Where a coarse pass has found its labels.

    Attributes:
        parts: components large enough to count.
        labels: names of the labels that were looked for.
        grid: the grid whose voxels the parts count.
    """

    parts: tuple[Part, ...]
    labels: tuple[str, ...]
    grid: Grid

    def on(self, grid: Grid) -> "CoarseAnswer":
        """The same answer in the voxels of another grid."""
        if self.grid is grid:
            return self
        voxel_map = np.linalg.solve(grid.affine, self.grid.affine)
        return replace(self, parts=tuple(part.mapped(voxel_map) for part in self.parts), grid=grid)


def coarse_parts(
    probabilities: NDArray[Any],
    threshold: float,
    component_share: float,
    postprocessing: PostprocessingConfig,
    voxel_volume_mm3: float,
) -> tuple[Part, ...]:
    """Components of a coarse answer that count, label by label.

    A component that the recipe's own filter would drop does not count, nor does one that weighs
    little beside the heaviest of its label: a coarse pass sees each place once, and makes specks.

    Args:
        probabilities: (labels, D, H, W), background left out.
        threshold: probability from which on a voxel is part of the label.
        component_share: least weight of a component as a share of the heaviest of its label.
        postprocessing: neighbourhood and least size.
        voxel_volume_mm3: volume of one voxel.
    """
    fewest = max(least_voxels(postprocessing, voxel_volume_mm3), 1)
    kept: list[Part] = []
    for label, probability in enumerate(probabilities):
        found = probability >= threshold
        if not found.any():
            continue
        parts = _components(label, probability, found, postprocessing.connectivity, fewest)
        heaviest = max((part.weight for part in parts), default=0.0)
        kept += [part for part in parts if part.weight >= component_share * heaviest]
    return tuple(kept)


def predicted_region(answer: CoarseAnswer, shape: Shape, config: InferenceConfig, smallest: Shape) -> Region:
    """The box that holds all that a coarse pass has found, or the whole image where that is doubtful.

    Doubtful are: a label that was found nowhere, and parts so far from each other that the box
    would measure more than `GROWTH_LIMIT` times its wanted size.

    Args:
        answer: on the grid of the image.
        shape: the image's.
        config: size and margin of the region.
        smallest: voxels along each axis that the region must measure at least: those of a window.
    """
    inside = [part for part in answer.parts if not part.box.clipped(shape).is_empty]
    lost = [name for number, name in enumerate(answer.labels) if all(part.label != number for part in inside)]
    if lost:
        return Region("predicted", None, "locator unsure", f"the coarse pass found no {', '.join(lost)}")
    needed = inside[0].box
    for part in inside[1:]:
        needed = needed.joined(part.box)
    needed = needed.grown(config.region_margin).clipped(shape)
    size = _at_least(config.region_size, smallest)
    for length, wanted in zip(needed.size, size, strict=True):
        if length > GROWTH_LIMIT * wanted:
            found = " x ".join(map(str, needed.size))
            return Region(
                "predicted", None, "locator unsure", f"the coarse pass found parts spread over {found} voxels"
            )
    weights = np.array([part.weight for part in inside])
    first, second, third = (weights @ np.array([part.centre for part in inside]) / weights.sum()).tolist()
    return Region("predicted", box_holding(needed, (first, second, third), size, shape))


def oracle_region(truth: Truth | None, prepared: PreparedImage, config: InferenceConfig, smallest: Shape) -> Region:
    """The box of a given size around the centre of mass of the true structures, moved inwards at the border.

    It is not grown where the structures are larger: P1 takes one patch.

    Args:
        truth: the reference.
        prepared: the image that it belongs to.
        config: size of the region.
        smallest: as in `predicted_region`.

    Raises:
        InputError: no reference, or one on another grid than the image.

    Reference:
        P1 (SPEC section 1, inference for the small sizes).
    """
    if truth is None:
        raise InputError(
            "inference.region is oracle, and this case has no reference label to be centred on",
            "Give a cohort with label maps, or set inference.region to whole or predicted",
        )
    structure = prepare_classes(truth.volume, truth.labels, prepared) > 0
    if not structure.any():
        return Region("oracle", None, "reference empty", "the reference shows none of the labels")
    first, second, third = (float(places.mean()) for places in np.nonzero(structure))
    shape = _shape(structure)
    box = centred_box(shape, (first, second, third), _at_least(config.region_size, smallest)).clipped(shape)
    cut_off = int(structure.sum()) - int(crop(structure, box).sum())
    reason = f"the box of inference.region_size leaves {cut_off} voxels of the structure outside" if cut_off else ""
    return Region("oracle", box, "", reason)


def cut_region(prepared: PreparedImage, region: Region) -> PreparedImage:
    """A prepared image that shows its region only; the way back to the files' grid comes with it."""
    if region.box is None:
        return prepared
    grid = prepared.grid.derived(region.box.size, region.box.to_volume())
    box = region.box.shifted(prepared.box.start)
    return replace(prepared, data=crop(prepared.data, region.box), grid=grid, box=box)


def region_on(region: Region, grid: Grid, other: Grid, smallest: Shape) -> Region:
    """The region of an image on the grid of another preparation of the same files.

    Args:
        region: its box counts voxels of `grid`.
        grid: the one that it was found on.
        other: the one wanted.
        smallest: voxels along each axis that it must measure at least there.
    """
    if region.box is None:
        return region
    needed = region.box.mapped(np.linalg.solve(other.affine, grid.affine)).clipped(other.shape)
    if needed.is_empty:
        return replace(region, box=None)
    first, second, third = ((start + stop - 1) / 2 for start, stop in zip(needed.start, needed.stop, strict=True))
    return replace(region, box=box_holding(needed, (first, second, third), smallest, other.shape))


def _components(
    label: int,
    probability: NDArray[Any],
    found: NDArray[np.bool_],
    connectivity: Literal[6, 18, 26],
    fewest: int,
) -> list[Part]:
    corner = ndimage.find_objects(found.view(np.uint8))[0]
    # Neither as bool, of which cc3d stops at some arrays a voxel wide, nor as part of another array.
    inside = np.ascontiguousarray(found[corner]).view(np.uint8)
    components = cc3d.connected_components(inside, connectivity=connectivity)
    places = np.nonzero(components)
    numbers = components[places]
    weights = probability[corner][places].astype(np.float64)
    voxels = np.bincount(numbers)
    mass = np.bincount(numbers, weights)
    sums = [np.bincount(numbers, weights * (index + axis.start)) for index, axis in zip(places, corner, strict=True)]
    parts = []
    for number, extent in enumerate(ndimage.find_objects(components), start=1):
        if voxels[number] < fewest:
            continue
        first, second, third = (float(total[number] / mass[number]) for total in sums)
        start: Shape = (extent[0].start, extent[1].start, extent[2].start)
        stop: Shape = (extent[0].stop, extent[1].stop, extent[2].stop)
        box = Box(start, stop).shifted((corner[0].start, corner[1].start, corner[2].start))
        parts.append(Part(label, box, (first, second, third), float(mass[number])))
    return parts


def _at_least(size: Shape, smallest: Shape) -> Shape:
    first, second, third = map(max, size, smallest)
    return first, second, third


def _shape(data: NDArray[Any]) -> Shape:
    return data.shape[-3], data.shape[-2], data.shape[-1]
