from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map, write_image
from neurograft.imaging.labels import LabelTable
from neurograft.recipes.schema import LabelBudgetConfig, PreparationConfig, ValidationConfig
from neurograft.training.cases import annotated_label, mean_dice, prepare_case, prepare_cohort, split_validation

CohortMaker = Callable[..., Cohort]


def _persons(count: int, cohort: Cohort, cases_each: int = 1) -> Cohort:
    case = cohort.cases[0]
    cases = [
        replace(case, id=f"{person}-{scan}", subject=f"s{person:03d}")
        for person in range(count)
        for scan in range(cases_each)
    ]
    return replace(cohort, cases=tuple(cases))


def test_auto_holds_out_a_fifth_from_ten_subjects_on_and_eight_at_most(balls: Cohort) -> None:
    for subjects, held in ((1, 0), (9, 0), (10, 2), (11, 2), (13, 3), (39, 8), (100, 8)):
        training, validation = split_validation(_persons(subjects, balls), ValidationConfig(), seed=1)
        assert (len(training), len(validation)) == (subjects - held, held)


def test_subjects_are_held_out_not_cases(balls: Cohort) -> None:
    cohort = _persons(10, balls, cases_each=3)
    training, validation = split_validation(cohort, ValidationConfig(hold_out=4), seed=0)
    assert len(validation) == 4
    assert not set(training) & set(validation)
    assert sorted([*training, *validation]) == list(cohort.subjects)


def test_hold_out_by_count_share_and_none(balls: Cohort) -> None:
    cohort = _persons(12, balls)
    assert len(split_validation(cohort, ValidationConfig(hold_out=0.25), seed=0)[1]) == 3
    assert split_validation(cohort, ValidationConfig(hold_out=0), seed=0)[1] == ()
    with pytest.raises(InputError, match="cannot hold out 12 of 12 subjects"):
        split_validation(cohort, ValidationConfig(hold_out=12), seed=0)


def test_the_seed_decides_who_is_held_out(balls: Cohort) -> None:
    cohort = _persons(40, balls)
    first, again, other = (split_validation(cohort, ValidationConfig(), seed)[1] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_unlabelled_cases_are_nobody_to_hold_out(balls: Cohort) -> None:
    unlabelled = tuple(replace(case, label=None, label_state="none") for case in _persons(20, balls).cases[:15])
    cohort = replace(balls, cases=(*unlabelled, *balls.cases))
    training, validation = split_validation(cohort, ValidationConfig(), seed=0)
    assert (set(training), validation) == (set(balls.subjects), ())


def test_preparing_a_cohort_gives_tensors_of_one_grid(balls: Cohort) -> None:
    calls = []
    cases = prepare_cohort(balls, PreparationConfig(), lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert [case.example.image.shape for case in cases] == [(1, 20, 18, 16)] * 3
    assert {tuple(case.example.target.unique().tolist()) for case in cases} == {(0, 1)}
    assert {case.voxel_volume_mm3 for case in cases} == {1.0}


def test_a_label_that_no_case_shows_is_named(balls: Cohort) -> None:
    table = LabelTable.from_names({1: "ball", 7: "cube", 9: "cone"})
    with pytest.raises(InputError, match="no training case contains cube, cone") as caught:
        prepare_cohort(balls.with_labels(table), PreparationConfig())
    assert caught.value.file == balls.source


def test_nothing_to_learn_from(balls: Cohort) -> None:
    bare = replace(balls, cases=tuple(replace(case, label=None, label_state="none") for case in balls.cases))
    with pytest.raises(InputError, match="no case has a label map"):
        prepare_cohort(bare, PreparationConfig())
    with pytest.raises(InputError, match="has no label map"):
        prepare_case(bare.cases[0], bare.labels, PreparationConfig())


@pytest.mark.parametrize("state", ["slices", {"ball": "slices"}, {"ball": "none"}])
def test_voxels_that_nobody_annotated_are_not_taken_for_background(balls: Cohort, state: object) -> None:
    partly = replace(balls.cases[2], label_state=state)
    cohort = replace(balls, cases=(*balls.cases[:2], partly))
    if state == {"ball": "none"}:
        with pytest.raises(InputError, match=r"ball is not annotated in case p02 \(label_state none\)"):
            annotated_label(partly, balls.labels)
        return
    with pytest.raises(InputError, match=r"ball is annotated in some slices only in case p02") as caught:
        prepare_cohort(cohort, PreparationConfig())
    assert caught.value.file == partly.label


def test_slices_can_be_learnt_where_the_table_marks_the_others(balls: Cohort) -> None:
    table = LabelTable.from_names({1: "ball"}, ignore_value=255)
    partly = replace(balls.cases[0], label_state="slices")
    assert annotated_label(partly, table) == partly.label
    with pytest.raises(InputError, match="not annotated"):
        annotated_label(replace(partly, label_state={"ball": "none"}), table)


def test_states_follow_the_selection_of_labels(tmp_path: Path, make_cohort: CohortMaker) -> None:
    states = ["dense", "left=none", "left=slices;right=none", "dense"]
    cohort = make_cohort(tmp_path / "c", 4, labels=("left", "right"), label_states=states)

    def states_of(labels: object) -> list[object]:
        chosen = cohort.select_labels(labels)
        return [
            case.label_state if isinstance(case.label_state, str) else dict(case.label_state) for case in chosen.cases
        ]

    assert states_of(("right",)) == ["dense", {"right": "dense"}, {"right": "none"}, "dense"]
    assert states_of({"both": ("left", "right")}) == ["dense", {"both": "none"}, {"both": "none"}, "dense"]
    assert states_of(None)[1] == {"left": "none", "right": "dense"}
    # A case that annotates nothing of what is wanted counts as unlabelled; one that annotates a part is used.
    right = cohort.select_labels(("right",)).labelled()
    assert [case.subject for case in right.cases] == ["p00", "p01", "p03"]
    assert len(prepare_cohort(right, PreparationConfig())) == 3
    both = cohort.labelled()
    with pytest.raises(InputError, match="left is annotated in some slices only in case p02"):
        prepare_cohort(both, PreparationConfig())
    usable = replace(both, cases=(*both.cases[:2], both.cases[3]))
    assert [case.example.unknown is None for case in prepare_cohort(usable, PreparationConfig())] == [True, False, True]


def test_a_word_on_how_slices_are_cut_makes_them_usable(balls: Cohort) -> None:
    case = replace(balls.cases[0], label_state="slices", covariates={"label_axis": "axial"})
    target = prepare_case(case, balls.labels, PreparationConfig()).example.target
    drawn = (target == 1).any(dim=0).any(dim=0)
    assert 0 < drawn.sum() < len(drawn)
    assert (target[..., ~drawn] == -1).all()
    assert (target[..., drawn] >= 0).all()
    with pytest.raises(InputError, match="label_axis of case p00 is 'upright'") as caught:
        annotated_label(replace(case, covariates={"label_axis": "upright"}), balls.labels)
    assert caught.value.file == case.label


def test_a_case_of_which_a_budget_leaves_nothing_is_left_out(
    tmp_path: Path, make_cohort: CohortMaker, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = make_cohort(tmp_path / "c", 2)
    # The image of the second person is zero but for a corner, which the only slice misses.
    path = cohort.cases[1].images["image"]
    volume = read_image(path)
    volume.data[...] = 0
    volume.data[:3] = 1 + np.arange(16) % 3
    write_image(path, volume.data, volume.grid)
    budget = LabelBudgetConfig(axis="sagittal", slices=1, selection="even", within="volume")
    config = PreparationConfig(crop="nonzero")
    with caplog.at_level("WARNING"):
        kept = prepare_cohort(cohort, config, budget=budget)
    assert [case.example.id for case in kept] == ["p00"]
    assert "case p01 is left out: nothing of it is annotated after cropping" in caplog.text
    assert len(prepare_cohort(cohort, config, budget=budget, unlimited_subjects={"p01"})) == 2
    with pytest.raises(InputError, match=r"label_budget\.within=labels"):
        prepare_cohort(replace(cohort, cases=cohort.cases[1:]), config, budget=budget)


def test_mean_dice_counts_the_classes_that_are_there() -> None:
    reference = np.array([[[1, 1, 0, 2]]])
    prediction = np.array([[[1, 0, 0, 2]]])
    assert mean_dice(reference, prediction, [1, 2, 3]) == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(mean_dice(reference, prediction, [3]))


def test_mean_dice_leaves_out_what_nobody_looked_for() -> None:
    #                      known     nobody  free of 2, open for 1
    reference = np.array([[[1, 0, 2, -1, -1, -2, -2]]])
    prediction = np.array([[[1, 2, 2, 1, 2, 1, 2]]])
    unknown = np.array([[True, False]])
    assert mean_dice(reference, prediction, [1], unknown) == 1
    assert mean_dice(reference, prediction, [2], unknown) == pytest.approx(2 * 1 / (1 + 3))
    assert mean_dice(reference[..., :5], prediction[..., :5], [1, 2]) == pytest.approx((1 + 2 / 3) / 2)


def test_a_crop_that_loses_labelled_voxels_is_refused(balls: Cohort) -> None:
    case = balls.cases[0]
    with pytest.raises(InputError, match=r"the crop \(centre\) cuts \d+ labelled voxels off case") as error:
        prepare_case(case, balls.labels, PreparationConfig(crop="centre", crop_size=(4, 4, 4)))
    assert error.value.file == case.label
    whole = prepare_case(case, balls.labels, PreparationConfig(crop="centre", crop_size=(24, 24, 24)))
    assert whole.example.shape == (24, 24, 24)


def test_labels_on_air_are_cropped_away_with_a_word(
    tmp_path: Path, balls: Cohort, caplog: pytest.LogCaptureFixture
) -> None:
    case = balls.cases[0]
    assert case.label is not None
    image = read_image(next(iter(case.images.values())))
    data = image.data.copy()
    inside = np.argwhere(read_label_map(case.label).data > 0)
    # Air reaches one voxel into the ball.
    data[: inside[:, 0].min() + 1] = 0
    write_image(tmp_path / "cut.nii.gz", data, image.grid)
    cut = replace(case, images={"image": tmp_path / "cut.nii.gz"})
    prepare_case(cut, balls.labels, PreparationConfig(crop="nonzero"))
    assert "labelled voxels lie where the image is zero" in caplog.text
