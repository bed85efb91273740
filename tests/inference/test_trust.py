import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from neurograft.cohorts import open_scans
from neurograft.imaging.files import read_label_map, write_image
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.volume import Volume
from neurograft.inference import trust_table
from neurograft.inference.evidence import Evidence, EvidenceGatherer
from neurograft.inference.overlay import PANEL_PIXELS, label_colours, write_overlay
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.inference.slabs import Slab
from neurograft.inference.trust import signs
from neurograft.inference.trust_table import FINE, LOOK, suspect_cases
from neurograft.models import Bundle, VolumeRange
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import SegmentationTask

BundleMaker = Callable[..., Bundle]
SIDES = LabelTable.from_names({4: "left x", 9: "right x"})
GRID = Grid.from_affine((12, 10, 10), np.diag([2.0, 1.0, 1.0, 1.0]))


def sides(left: slice, right: slice) -> np.ndarray:
    values = np.zeros(GRID.shape, np.int32)
    values[left, 2:6, 2:6], values[right, 2:6, 2:6] = 4, 9
    return values


def known(smallest: float, largest: float, absent: int = 0) -> list[VolumeRange]:
    return [
        VolumeRange(label="left x", cases=3, absent=absent, mean_mm3=50, smallest_mm3=smallest, largest_mm3=largest)
    ]


def kinds(values: np.ndarray, ranges=(), evidence: Evidence | None = None) -> list[tuple[str, str]]:
    return [(sign.label, sign.kind) for sign in signs(values, GRID, SIDES, ranges, evidence)]


def test_nothing_speaks_against_a_mask_as_the_training_cases_are() -> None:
    # 2 x 4 x 4 voxels of 2 mm3 on either side.
    sure = Evidence((0.9, 0.9), (1.0, 0.99))
    assert kinds(sides(slice(2, 4), slice(7, 9)), known(40, 70), sure) == []


@pytest.mark.parametrize(
    ("ranges", "kind"),
    [((129, 200), "small"), ((128, 200), None), ((10, 31), "large"), ((10, 32), None), ((0, 0), None)],
)
def test_volumes_beyond_twice_the_training_range(ranges: tuple[float, float], kind: str | None) -> None:
    found = kinds(sides(slice(2, 4), slice(7, 9)), known(*ranges))
    assert found == ([("left x", kind)] if kind else [])


def test_a_missing_label_counts_if_all_training_cases_have_it() -> None:
    values = sides(slice(0, 0), slice(7, 9))
    assert kinds(values, known(40, 70)) == [("left x", "missing")]
    assert kinds(values, known(0, 70, absent=1)) == []


def test_sides_of_unlike_size_and_in_each_others_place() -> None:
    assert kinds(sides(slice(1, 6), slice(7, 9))) == [("right x", "uneven sides")]
    assert kinds(sides(slice(7, 9), slice(2, 4))) == [("left x", "swapped sides")]
    # The same voxels where the first axis runs to the left are right.
    flipped = Grid.from_affine(GRID.shape, np.diag([-2.0, 1.0, 1.0, 1.0]))
    assert signs(sides(slice(7, 9), slice(2, 4)), flipped, SIDES, [], None) == []


def test_labels_at_the_edge_of_the_scan() -> None:
    assert kinds(sides(slice(0, 2), slice(7, 9))) == [("left x", "cut off")]


def test_low_certainty_and_what_the_filter_took() -> None:
    nothing = Evidence((math.nan, 0.59), (math.nan, 0.69))
    assert kinds(sides(slice(2, 4), slice(7, 9)), (), nothing) == [("right x", "uncertain"), ("right x", "in pieces")]


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_evidence_is_the_mean_over_a_labels_own_voxels(output: str) -> None:
    task = SegmentationTask(TaskConfig(output=output), ["a", "b"])
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1.0, 1.0, 1.0], (6, 5, 4)).transpose(3, 0, 1, 2).astype(np.float32)
    if output == "sigmoid":
        probabilities = probabilities[1:]
    tensor = torch.from_numpy(probabilities)
    gatherer = EvidenceGatherer(task, 0.5)
    slabs = [Slab(0, tensor[:, :4]), Slab(4, tensor[:, 4:])]
    assert list(gatherer.watching(iter(slabs))) == slabs
    classes = task.decide(tensor, 0.5).numpy()
    filtered = classes.copy()
    filtered[:3] = 0
    found = gatherer.evidence(filtered)
    rows = probabilities[1:] if output == "softmax" else probabilities
    for label in (1, 2):
        inside = classes == label
        assert found.certainty[label - 1] == pytest.approx(rows[label - 1][inside].mean(), abs=1e-6)
        assert found.kept[label - 1] == pytest.approx(inside[3:].sum() / inside.sum())


def test_evidence_of_a_label_that_is_nowhere_is_no_number() -> None:
    gatherer = EvidenceGatherer(SegmentationTask(TaskConfig(), ["a"]), 0.5)
    gatherer.add(torch.tensor([0.9, 0.1]).view(2, 1, 1, 1))
    found = gatherer.evidence(np.zeros((1, 1, 1), np.int16))
    assert math.isnan(found.certainty[0])
    assert math.isnan(found.kept[0])


def test_colours_are_as_many_as_asked_for_and_apart() -> None:
    colours = label_colours(20)
    assert colours.shape == (20, 3)
    assert len({tuple(colour) for colour in colours.tolist()}) == 20


def test_overlay_has_its_colours_on_the_right_side(tmp_path: Path) -> None:
    scan = Volume(np.random.default_rng(0).random(GRID.shape).astype(np.float32), GRID)
    write_overlay(tmp_path / "a.png", scan, sides(slice(2, 4), slice(7, 9)), SIDES, "sub-é")
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape[1] == 3 * PANEL_PIXELS
    first = picture[18 : 18 + PANEL_PIXELS, :PANEL_PIXELS].astype(int)
    left, right = (
        np.flatnonzero((np.abs(first - colour.astype(int)).sum(2) == 0).any(0)) for colour in label_colours(2)
    )
    # The person's left is on the picture's right.
    assert right.size > 0
    assert right.max() < left.min()


def test_overlay_of_an_empty_mask_says_so_and_of_no_contrast_is_drawn(tmp_path: Path) -> None:
    write_overlay(tmp_path / "a.png", Volume(np.ones(GRID.shape, np.float32), GRID), np.zeros(GRID.shape), SIDES, "a")
    assert (tmp_path / "a.png").is_file()


def scans(tmp_path: Path, count: int = 2) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(count):
        data = np.zeros((12, 12, 12), np.float32)
        data[4:8, 4:8, 4 : 7 + number] = 1
        write_image(folder / f"s{number}.nii.gz", data, Grid.from_affine(data.shape, np.eye(4)))
    return folder


def test_prediction_writes_a_row_a_scan_and_a_picture(
    threshold_bundle: BundleMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = threshold_bundle(tmp_path / "model")
    # 48 voxels and 64: the second is above twice the largest.
    ranges = [VolumeRange(label="bright", cases=2, absent=0, mean_mm3=28, smallest_mm3=26, largest_mm3=30)]
    bundle.info.volumes.extend(ranges)
    out = tmp_path / "out"
    predict_cohort(PredictionRequest([bundle], open_scans(scans(tmp_path), ["image"]), out, overlays=True))
    table = pd.read_csv(out / "trust.tsv", sep="\t", dtype=str)
    assert table["case"].tolist() == ["s0", "s1"]
    assert table["trust"].tolist() == [FINE, LOOK]
    assert table["kinds"].tolist()[1] == "large"
    assert suspect_cases(out) == ["s1"]
    assert [float(value) for value in table["certainty"]] == [1.0, 1.0]
    assert sorted(path.name for path in out.glob("*.png")) == ["s0_dseg.png", "s1_dseg.png"]
    assert "s1: look at this mask: bright has 64 mm³, the largest training case 30" in caplog.text


def test_prediction_that_was_cut_off_ends_with_the_same_table(
    threshold_bundle: BundleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = threshold_bundle(tmp_path / "model")
    cohort = open_scans(scans(tmp_path, 3), ["image"])
    predict_cohort(PredictionRequest([bundle], cohort, tmp_path / "whole", overlays=True))
    add = trust_table.TrustTable.add

    def fails(self, case, *arguments):
        if case.id == "s1":
            raise KeyboardInterrupt
        return add(self, case, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trust_table.TrustTable, "add", fails)
        with pytest.raises(KeyboardInterrupt):
            predict_cohort(PredictionRequest([bundle], cohort, tmp_path / "out", overlays=True))
    predict_cohort(PredictionRequest([bundle], cohort, tmp_path / "out", overlays=True))
    for name in ("trust.tsv", "volumes.tsv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    whole, out = (read_label_map(tmp_path / folder / "s2_dseg.nii.gz").data for folder in ("whole", "out"))
    np.testing.assert_array_equal(whole, out)
