"""What may be learnt from a label map: fixed on the file's own grid, then carried to the prepared one."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from neurograft.cohorts import Case
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import IGNORE, LabelTable
from neurograft.imaging.partial_classes import decode_open_labels, encode_open_labels
from neurograft.imaging.preparation import prepare_image
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import LabelBudgetConfig, PreparationConfig
from neurograft.training.annotations import Annotation, annotate, annotated_slices, assume_background

SHAPE = (12, 14, 16)
TABLE = LabelTable.from_names({5: "a", 9: "b"})
# First axis upwards, second to the left, third to the front: SLA, with unequal voxels.
AFFINE = np.array([[0, -2.0, 0, 9], [0, 0, 1.0, -3], [1.5, 0, 0, 4], [0, 0, 0, 1]])


def _annotate(
    label: np.ndarray, budget: LabelBudgetConfig, config: PreparationConfig, state: object = "dense"
) -> Annotation:
    grid = Grid.from_affine(label.shape, AFFINE)
    image = Volume(np.random.default_rng(0).random(label.shape).astype(np.float32) + 1, grid)
    case = Case("c", "s", None, {}, Path("c_dseg.nii.gz"), label_state=state)
    prepared = prepare_image([image], config)
    return annotate(case, Volume(label.astype(np.int32), grid), TABLE, prepared, budget, seed=3)


def _label() -> np.ndarray:
    label = np.zeros(SHAPE, np.int32)
    label[3:9, 4:10, 4:12] = 5
    label[5:7, 6:12, 6:9] = 9
    return label


@pytest.mark.parametrize(
    ("plane", "file_axis", "prepared_axis"), [("sagittal", 1, 0), ("coronal", 2, 1), ("axial", 0, 2)]
)
def test_slices_are_the_file_s_and_turn_with_the_image(plane: str, file_axis: int, prepared_axis: int) -> None:
    label = _label()
    one = _annotate(label, LabelBudgetConfig(axis=plane, slices=3), PreparationConfig())
    assert one.slices.axis == file_axis
    annotated = (one.classes != IGNORE).any(tuple(a for a in range(3) if a != prepared_axis))
    chosen = np.zeros(SHAPE[file_axis], bool)
    chosen[list(one.slices.slices)] = True
    if plane == "sagittal":
        chosen = chosen[::-1]  # the file's axis runs to the left, the prepared one to the right
    np.testing.assert_array_equal(annotated, chosen)
    full = _annotate(label, LabelBudgetConfig(), PreparationConfig()).classes
    known = one.classes != IGNORE
    np.testing.assert_array_equal(one.classes[known], full[known])
    assert (full >= 0).all()
    assert one.annotated_voxels == 3 * label.size // SHAPE[file_axis] == known.sum()
    drawn = np.take(label, one.slices.slices, file_axis)
    assert one.voxels_by_label == {"a": (drawn == 5).sum(), "b": (drawn == 9).sum()}


def test_cropping_and_resampling_do_not_change_which_slices() -> None:
    budget = LabelBudgetConfig(axis="axial", slices=4)
    plain = _annotate(_label(), budget, PreparationConfig())
    cropped = _annotate(_label(), budget, PreparationConfig(crop="centre", crop_size=(14, 16, 12)))
    finer = _annotate(_label(), budget, PreparationConfig(spacing_mm=(1.0, 1.0, 0.75)))
    assert plain.slices == cropped.slices == finer.slices
    np.testing.assert_array_equal(plain.classes, cropped.classes)
    # Twice as fine upwards: every annotated slice is two.
    heights = np.flatnonzero((finer.classes != IGNORE).any((0, 1)))
    assert len(heights) == 8


def test_padding_around_the_image_is_background() -> None:
    budget = LabelBudgetConfig(axis="axial", slices=2)
    config = PreparationConfig(crop="centre", crop_size=(20, 16, 12))
    classes = _annotate(_label(), budget, config).classes
    assert (classes[:3] == 0).all()
    assert (classes[3:17] == IGNORE).any()


@pytest.mark.parametrize("config", [PreparationConfig(), PreparationConfig(spacing_mm=(1.3, 1.3, 1.3))])
def test_codes_go_through_preparation_as_classes_do(config: PreparationConfig) -> None:
    states = {"a": "dense", "b": "none"}
    one = _annotate(_label(), LabelBudgetConfig(), config, states)
    full = _annotate(_label(), LabelBudgetConfig(), config).classes
    known, (open_a, open_b) = decode_open_labels(one.classes, one.open_labels, 2)
    np.testing.assert_array_equal(known, np.where(full == 2, 0, full))
    assert not open_a.any()
    # What resampling adds around the volume is background.
    inside = _annotate(np.full(SHAPE, 5), LabelBudgetConfig(), config).classes == 1
    np.testing.assert_array_equal(open_b, inside & (full != 1))
    assert one.voxels_by_label["b"] == 0


def test_a_budget_on_top_of_partial_labels() -> None:
    budget = LabelBudgetConfig(axis="axial", slices=3)
    one = _annotate(_label(), budget, PreparationConfig(), {"a": "dense", "b": "none"})
    _, (open_a, open_b) = decode_open_labels(one.classes, one.open_labels, 2)
    np.testing.assert_array_equal(open_a, one.classes == IGNORE)
    assert (open_b >= open_a).all()
    assert (open_b & ~open_a).any()


def test_the_table_of_slices() -> None:
    budget = LabelBudgetConfig(axis="coronal", slices=2, selection="even", margin=0)
    rows = annotated_slices([_annotate(_label(), one, PreparationConfig()) for one in (budget, LabelBudgetConfig())])
    assert rows.to_dict("records") == [
        {"case": "c", "subject": "s", "axis": "coronal", "slices": "4,12", "annotated_voxels": 2 * 12 * 14,
         "voxels_a": 36, "voxels_b": 0},
        {"case": "c", "subject": "s", "axis": "all", "slices": "all", "annotated_voxels": _label().size,
         "voxels_a": (_label() == 5).sum(), "voxels_b": (_label() == 9).sum()},
    ]  # fmt: skip


def test_background_is_assumed_beyond_a_distance_from_each_label() -> None:
    rng = np.random.default_rng(1)
    classes = np.zeros((20, 18, 16), np.int16)
    classes[4:7, 4:7, 8] = 1
    classes[12:15, 10:13, 3] = 2
    masks = [(rng.random(classes.shape) < 0.8) & (classes == 0) for _ in range(2)]
    coded, table = encode_open_labels(classes, masks)
    spacing, beyond = (1.0, 0.7, 2.0), 5.0
    found, rows = assume_background(coded, table, 2, spacing, beyond)
    known, after = decode_open_labels(found, rows, 2)
    np.testing.assert_array_equal(known, classes)
    for label, (mask, left) in enumerate(zip(masks, after, strict=True), start=1):
        near = ndimage.distance_transform_edt(classes != label, sampling=spacing) <= beyond
        np.testing.assert_array_equal(left, mask & near)
        assert left.any()
        assert (mask & ~left).any()


def test_a_label_that_is_not_drawn_stays_open() -> None:
    classes = np.zeros((9, 9, 9), np.int16)
    classes[4, 4, 4] = 1
    coded = np.where(classes > 0, classes, IGNORE).astype(np.int16)
    found, table = assume_background(coded, None, 2, (1.0, 1.0, 1.0), 2.5)
    _, (open_a, open_b) = decode_open_labels(found, table, 2)
    assert open_b.sum() == 9**3 - 1
    assert 0 < open_a.sum() < 100
    alone, table = assume_background(coded, None, 1, (1.0, 1.0, 1.0), 2.5)
    assert table is None
    assert (alone[0] == 0).all()
    dense = np.zeros((2, 2, 2), np.int16)
    assert assume_background(dense, None, 1, (1.0, 1.0, 1.0), 1.0)[0] is dense


@pytest.mark.parametrize("within", ["volume", "labels"])
def test_a_budget_chooses_among_the_slices_that_the_label_states_leave(within: str) -> None:
    """Of a label map drawn in every third axial slice only those are slices to choose."""
    label = _label()
    drawn = np.zeros(SHAPE[0], bool)
    drawn[3:9:3] = True
    label[~drawn] = 0
    grid = Grid.from_affine(label.shape, AFFINE)
    image = Volume(np.random.default_rng(0).random(label.shape).astype(np.float32) + 1, grid)
    case = Case("c", "s", None, {}, Path("c_dseg.nii.gz"), label_state="slices", covariates={"label_axis": "axial"})
    for seed in range(5):
        budget = LabelBudgetConfig(axis="axial", slices=1, within=within)
        one = annotate(case, Volume(label, grid), TABLE, prepare_image([image], PreparationConfig()), budget, seed=seed)
        assert len(one.slices.slices) == 1
        assert drawn[list(one.slices.slices)].all()
        assert (one.classes > 0).any()
