"""A label map in the place of an image: its own shape decides what is prepared, and images are made from it."""

from dataclasses import replace

import numpy as np
import torch

from neurograft.cohorts import Case
from neurograft.imaging.files import read_label_map
from neurograft.imaging.preparation import PreparedImage, prepare_classes, prepare_image
from neurograft.imaging.volume import Volume
from neurograft.phantoms.synthesis import GenerationMap, Synthesiser
from neurograft.recipes.schema import PreparationConfig


def prepare_without_image(case: Case, label_map: Volume, config: PreparationConfig) -> PreparedImage:
    """Turn, resample and crop as an image would be that is not zero wherever the label map is not.

    Args:
        case: whose mask counts, where it has one.
        label_map: of the case.
        config: how to prepare; intensities there are none to normalise.
    """
    occupied = Volume((label_map.data != 0).astype(np.float32), label_map.grid, label_map.path)
    mask = read_label_map(case.mask) if case.mask else None
    # There is no brain to look for.
    plain = {"normalisation": "none", "brain": "none"}
    return prepare_image([occupied], config.model_copy(update=plain), mask)


def generation_map(label_map: Volume, prepared: PreparedImage, synthesiser: Synthesiser) -> GenerationMap:
    """The intensity classes of a label map on the grid of what was prepared; where a mask left nothing, air."""
    classes = prepare_classes(label_map, synthesiser.classes.table, prepared)
    classes[prepared.data[0] == 0] = 0
    return synthesiser.prepare(torch.from_numpy(classes), prepared.grid.spacing_mm)


def without_image(prepared: PreparedImage) -> PreparedImage:
    """What was prepared without its first channel, which stood for the image."""
    return replace(prepared, data=prepared.data[1:])
