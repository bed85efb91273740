"""All that an evaluation measures, on one small study."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.errors import InputError
from neurograft.evaluation.policies import Policies
from neurograft.imaging.files import read_label_map, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.reports.evaluation_page import evaluation_page
from neurograft.reports.evaluation_report import evaluation_report
from neurograft.scoring.files import EvaluationSummary, write_evaluation
from neurograft.scoring.options import BOTH_SURFACES, ScoringOptions
from neurograft.scoring.run import score_files

SHAPE = (24, 20, 16)
ALL = ScoringOptions(
    surfaces=BOTH_SURFACES,
    groups={"deep grey": ("Left-Putamen", "Right-Putamen")},
    slices="skip",
    lesions=("lesion",),
    biomarkers=True,
    draws=200,
)


def test_all_tables_of_a_study(make_scans: Callable, tmp_path: Path) -> None:
    scans = make_scans()
    found = score_files(scans.cohort, scans.prediction, options=ALL, raters=scans.raters)
    tables = found.tables
    labels = tables.per_case.drop_duplicates("label").set_index("label")["kind"].to_dict()
    assert labels == {
        "Left-Putamen": "label", "Right-Putamen": "label", "lesion": "label",
        "both Putamen": "group", "all labels": "group", "deep grey": "group",
        "mean": "mean", "mean weighted by 1/V": "mean", "mean weighted by 1/V²": "mean",
    }  # fmt: skip
    rows = tables.per_case.set_index(["case", "label"])
    for case in ("s00", "s03"):
        truth = read_label_map(scans.cohort.parent / f"{case}_truth.nii.gz").data
        guess = read_label_map(scans.prediction / f"{case}.nii.gz").data
        both = 2 * ((truth == 3) & (guess == 3)).sum() / ((truth == 3).sum() + (guess == 3).sum())
        assert rows.loc[(case, "Left-Putamen"), "dice"] == pytest.approx(both)
        assert rows.loc[(case, "Left-Putamen"), "reference_mm3"] == pytest.approx((truth == 3).sum() * 1.2)
        three = rows.loc[[(case, name) for name in ("Left-Putamen", "Right-Putamen", "lesion")], "dice"]
        assert rows.loc[(case, "mean"), "dice"] == pytest.approx(three.mean())
        # Axial slices are those along the third axis of the file, whatever way the others run.
        per_slice = []
        for index in range(truth.shape[2]):
            a, b = truth[:, :, index] == 3, guess[:, :, index] == 3
            if a.any() or b.any():
                per_slice.append(2 * (a & b).sum() / (a.sum() + b.sum()))
        assert rows.loc[(case, "Left-Putamen"), "dice_slices"] == pytest.approx(np.mean(per_slice))
    np.testing.assert_array_equal(
        rows.loc[(slice(None), "deep grey"), "dice"], rows.loc[(slice(None), "both Putamen"), "dice"]
    )
    for name in ("hausdorff_voxel_mm", "hd95_max_element_mm", "assd_pooled_voxel_mm", "surface_dice_element"):
        assert np.isfinite(rows.loc[(slice(None), "Left-Putamen"), name].astype(float)).all()

    assert tables.lesions is not None
    assert tables.lesion_detection is not None
    assert tables.lesion_scores is not None
    # The lesion begins two voxels from the end of each axis; the first axis runs to the left.
    assert tables.lesions["x_mm"].unique() == pytest.approx([12 - 2.5])
    assert set(tables.lesion_detection["connectivity"]) == {26, "in-plane-8"}
    assert tables.lesion_scores["label"].eq("lesion").all()

    assert tables.biomarkers is not None
    assert set(tables.biomarkers["rater"]) == {"reference", "prediction", "ann", "bob"}
    truth = tables.biomarkers[
        (tables.biomarkers["rater"] == "reference") & (tables.biomarkers["label"] == "Left-Putamen")
    ]
    assert truth["contrast_ratio_median"].between(0.35, 0.45).all()
    assert set(tables.agreement["quantity"]) >= {"volume, mm³", "mean intensity", "contrast ratio, median"}
    assert (tables.agreement["n"] == 4).all()

    assert tables.raters is not None
    assert tables.rater_agreement is not None
    kinds = tables.raters[tables.raters["label"] == "Left-Putamen"]["kind"].value_counts()
    assert (kinds["model-rater"], kinds["rater-rater"], kinds["model minus ceiling"]) == (3, 3, 1)
    assert tables.confusion is not None
    assert tables.swaps == ()

    write_evaluation(found, tmp_path)
    summary = EvaluationSummary.model_validate_json((tmp_path / "summary.json").read_text())
    assert len(summary.summary) == len(tables.summary)
    assert json.loads((tmp_path / "summary.schema.json").read_text())["title"] == "EvaluationSummary"
    assert len(pd.read_csv(tmp_path / "raters.tsv", sep="\t")) == len(tables.raters)


def test_processes_change_nothing(make_scans: Callable) -> None:
    scans = make_scans(6)
    calls = []
    alone = score_files(scans.cohort, scans.prediction, options=ALL)
    shared = score_files(
        scans.cohort, scans.prediction, options=replace(ALL, workers=2), progress=lambda done, total: calls.append(done)
    )
    assert calls == [1, 2, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(alone.tables.per_case, shared.tables.per_case)
    pd.testing.assert_frame_equal(alone.tables.summary, shared.tables.summary)
    pd.testing.assert_frame_equal(alone.tables.agreement, shared.tables.agreement)


def test_an_error_in_a_process_names_its_file(make_scans: Callable) -> None:
    scans = make_scans(4)
    (scans.prediction / "s02.nii.gz").write_bytes(b"damaged")
    with pytest.raises(InputError) as error:
        score_files(scans.cohort, scans.prediction, options=replace(ALL, workers=2))
    assert error.value.file == scans.prediction / "s02.nii.gz"


def test_exchanged_sides_are_told(make_scans: Callable) -> None:
    scans = make_scans(3)
    file = scans.prediction / "s01.nii.gz"
    labels = read_label_map(file)
    write_label_map(file, np.select([labels.data == 3, labels.data == 9], [9, 3], labels.data), labels.grid)
    swaps = score_files(scans.cohort, scans.prediction, options=ScoringOptions(draws=50)).tables.swaps
    assert len(swaps) == 1
    assert swaps[0].startswith("case s01: ")
    assert "Left-Putamen" in swaps[0]


def test_another_grid_is_refused_unless_resampling_is_asked_for(make_scans: Callable) -> None:
    scans = make_scans(3)
    file = scans.prediction / "s00.nii.gz"
    labels = read_label_map(file)
    finer = Grid.from_affine(
        tuple(2 * side for side in labels.data.shape), scans.grid.affine @ np.diag([0.5, 0.5, 0.5, 1])
    )
    # Each voxel becomes eight whose centres lie within it, so nearest neighbours give the map back.
    moved = finer.affine.copy()
    moved[:3, 3] -= scans.grid.affine[:3, :3] @ [0.25, 0.25, 0.25]
    fine = labels.data.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    before = score_files(scans.cohort, scans.prediction, options=ScoringOptions(draws=50)).tables.per_case
    write_label_map(file, fine, Grid.from_affine(fine.shape, moved))
    with pytest.raises(InputError, match="--grids resample"):
        score_files(scans.cohort, scans.prediction)
    resampled = score_files(
        scans.cohort, scans.prediction, options=ScoringOptions(Policies(grids="resample"), draws=50)
    ).tables.per_case
    pd.testing.assert_frame_equal(before, resampled)


def test_missing_and_extra_predictions(make_scans: Callable) -> None:
    scans = make_scans(4)
    (scans.prediction / "s03.nii.gz").rename(scans.prediction / "stray.nii.gz")
    with pytest.raises(InputError, match="1 of 4 cases have no prediction: s03"):
        score_files(scans.cohort, scans.prediction)
    with pytest.raises(InputError, match="1 predictions have no reference"):
        score_files(
            scans.cohort, scans.prediction, options=ScoringOptions(Policies(missing="score-zero", extra="error"))
        )
    options = replace(ALL, policies=Policies(missing="score-zero", distance="diagonal"))
    tables = score_files(scans.cohort, scans.prediction, options=options).tables
    missing = tables.per_case[tables.per_case["case"] == "s03"].set_index("label")
    assert (missing["status"] == "prediction-missing").all()
    assert missing.loc["mean", "dice"] == missing.loc["Left-Putamen", "dice_slices"] == 0
    assert missing.loc["lesion", "precision"] == 0
    diagonal = np.linalg.norm(np.multiply((24, 20, 16), (1.0, 0.8, 1.5)))
    assert missing.loc["Left-Putamen", "hd95_max_voxel_mm"] == pytest.approx(diagonal)
    assert np.isnan(missing.loc["Left-Putamen", "prediction_mm3"])
    rows = tables.summary.set_index(["label", "measure"])
    assert (rows.loc[("lesion", "dice"), "n"], rows.loc[("lesion", "dice"), "n_missing"]) == (4, 1)
    assert rows.loc[("lesion", "volume_difference_mm3"), "n"] == 3
    assert tables.lesion_scores is not None
    assert tables.lesion_scores.loc[0, "n_missed"] >= 1


def test_a_region_in_the_label_map_and_chosen_labels(make_scans: Callable) -> None:
    scans = make_scans(3)
    options = ScoringOptions(labels=("Left-Putamen",), biomarkers=True, reference_region="Right-Putamen", draws=50)
    # The cohort's own region goes first; without its column the label is the region.
    table = scans.cohort.read_text().splitlines()
    scans.cohort.write_text("\n".join("\t".join(line.split("\t")[:3]) for line in table) + "\n")
    found = score_files(scans.cohort, scans.prediction, options=options)
    assert found.labels == ("Left-Putamen",)
    assert found.tables.biomarkers is not None
    # 140 against 160.
    assert found.tables.biomarkers["contrast_ratio_median"].between(-0.17, -0.08).all()


def test_unknown_names_are_refused(make_scans: Callable) -> None:
    scans = make_scans(3)
    for options, problem in (
        (ScoringOptions(lesions=("lesions",)), "no label 'lesions' to detect lesions of"),
        (ScoringOptions(groups={"x": ("Putamen",)}), "group 'x' holds Putamen"),
        (ScoringOptions(groups={"lesion": ("lesion",)}), "has the name of a label"),
        (ScoringOptions(labels=("Left-Putamn",)), "Left-Putamn"),
    ):
        with pytest.raises(InputError, match=problem):
            score_files(scans.cohort, scans.prediction, options=options)


def test_an_oracle_is_told_in_every_table(make_scans: Callable, tmp_path: Path) -> None:
    scans = make_scans(3)
    for file in list(scans.prediction.iterdir()):
        file.rename(file.with_name(file.name.replace(".nii", "_dseg.nii")))
    (scans.prediction / "s01_dseg.json").write_text('{"oracle": true}')
    found = score_files(scans.cohort, scans.prediction, options=ALL)
    rows = found.tables.per_case
    assert rows.groupby("case")["oracle"].unique().map(list).to_dict() == {"s00": ["no"], "s01": ["yes"], "s02": ["no"]}
    assert found.tables.summary["policy"].str.contains("oracle crop").all()
    assert found.tables.agreement["note"].str.contains("oracle crop").all()
    assert found.tables.biomarkers is not None
    assert "oracle" in found.tables.biomarkers
    report = evaluation_report(found, "", "", {})
    assert report.warnings[0].startswith("1 of 3 cases: oracle crop")
    assert "oracle crop" in evaluation_page(report)


def test_one_grid_stored_in_another_order_is_one_grid(make_scans: Callable) -> None:
    scans = make_scans(3)
    before = score_files(scans.cohort, scans.prediction, options=ALL).tables.per_case
    for file in scans.prediction.iterdir():
        labels = read_label_map(file)
        affine = labels.grid.affine.copy()
        # The second and third axis change places, and the first runs the other way.
        affine = affine[:, [0, 2, 1, 3]]
        affine[:3, 3] += affine[:3, 0] * (SHAPE[0] - 1)
        affine[:3, 0] *= -1
        turned = labels.data.transpose(0, 2, 1)[::-1]
        write_label_map(file, turned, Grid.from_affine(turned.shape, affine))
    pd.testing.assert_frame_equal(before, score_files(scans.cohort, scans.prediction, options=ALL).tables.per_case)
